// Sums, means and deviations of colours against numbers worked out by hand.
#include "src/data/channel_stats.h"

#include <cmath>
#include <vector>

#include "src/core/error.h"
#include "tests/support/catch.h"

using vim::data::ChannelStats;

TEST_CASE("Mean and deviation are those of each colour") {
  ChannelStats stats;
  const std::vector<uint8_t> first = {0, 10, 255, 255, 10, 255};
  const std::vector<uint8_t> second = {51, 10, 255, 102, 110, 0};
  stats.add(first);
  stats.add(second);
  CHECK(stats.num_pixels() == 4);
  // Red 0, 1, 0.2, 0.4: mean 0.4, squared distances 0.16 + 0.36 + 0.04 + 0.
  CHECK(stats.mean()[0] == Approx(0.4).epsilon(1e-15));
  CHECK(stats.std()[0] == Approx(std::sqrt(0.14)).epsilon(1e-15));
  // Green 10, 10, 10, 110: mean 35, variance (3 * 625 + 5625) / 4.
  CHECK(stats.mean()[1] == Approx(35.0 / 255).epsilon(1e-15));
  CHECK(stats.std()[1] == Approx(std::sqrt(1875.0) / 255).epsilon(1e-15));
  CHECK(stats.mean()[2] == Approx(0.75).epsilon(1e-15));
  CHECK(stats.std()[2] == Approx(std::sqrt(0.1875)).epsilon(1e-15));
}

TEST_CASE("One colour everywhere has no deviation, not even from rounding") {
  ChannelStats block;
  block.add(std::vector<uint8_t>(3'000'000, 201));
  ChannelStats stats;
  for (int i = 0; i < 1000; ++i) {
    stats.add(block);
  }
  CHECK(stats.num_pixels() == 1'000'000'000);
  CHECK(stats.std() == std::array<double, 3>{0.0, 0.0, 0.0});
  CHECK(stats.mean()[1] == Approx(201.0 / 255).epsilon(1e-15));
}

TEST_CASE("Parts add up to the whole in any order") {
  const std::vector<uint8_t> a = {1, 2, 3, 40, 50, 60};
  const std::vector<uint8_t> b = {7, 8, 9};
  ChannelStats in_order;
  in_order.add(a);
  in_order.add(b);
  ChannelStats part;
  part.add(a);
  ChannelStats reversed;
  reversed.add(b);
  reversed.add(part);
  CHECK(in_order == reversed);
}

TEST_CASE("No pixels give zeros") {
  CHECK(ChannelStats().mean() == std::array<double, 3>{});
  CHECK(ChannelStats().std() == std::array<double, 3>{});
}

TEST_CASE("Sums read back as they were written") {
  ChannelStats stats;
  stats.add(std::vector<uint8_t>{1, 2, 3, 255, 254, 253});
  CHECK(stats.to_text() == "2 256 256 256 65026 64520 64018");
  CHECK(ChannelStats::from_text(stats.to_text()) == stats);
  const std::string broken = GENERATE("", "1 2 3", "2 256 256 256 65026 64520 x");
  CHECK_THROWS_AS(ChannelStats::from_text(broken), vim::Error);
}
