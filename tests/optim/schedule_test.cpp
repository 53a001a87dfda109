#include "src/optim/schedule.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/golden_file.h"

namespace vim::optim {
namespace {

constexpr double kTolerance = 1e-12;  // golden/README.md: computed in double
constexpr int64_t kSteps = 7;         // per epoch

ScheduleOptions options_of(const nlohmann::json& recipe) {
  ScheduleOptions options;
  options.warmup_epochs = recipe["warmup_epochs"];
  options.warmup_lr = recipe["warmup_lr"];
  options.min_lr = recipe["min_lr"];
  return options;
}

}  // namespace

TEST_CASE("every epoch of the official recipes trains with the official rate") {
  const nlohmann::json golden = test::read_golden_json("lr_schedule.json");
  REQUIRE(golden.size() == 6);
  for (const auto& [name, recipe] : golden.items()) {
    const std::vector<double> expected = recipe["lr_of_epoch"];
    for (size_t epoch = 0; epoch < expected.size(); ++epoch) {
      const auto first_step = static_cast<int64_t>(epoch) * kSteps;
      for (const int64_t step : {first_step, first_step + kSteps - 1}) {
        INFO(name << " epoch " << epoch);
        const double rate =
            learning_rate(options_of(recipe), recipe["lr"], recipe["epochs"], step, kSteps);
        CHECK(rate == Approx(expected[epoch]).epsilon(kTolerance));
      }
    }
  }
}

TEST_CASE("without the lag an epoch trains with the value due at its own number") {
  const nlohmann::json golden = test::read_golden_json("lr_schedule.json");
  for (const auto& [name, recipe] : golden.items()) {
    ScheduleOptions options = options_of(recipe);
    options.lag = false;
    for (const auto& [epoch, expected] : recipe["resumed_first_epoch"].items()) {
      INFO(name << " epoch " << epoch);
      const int64_t step = std::stoll(epoch) * kSteps;
      const double rate = learning_rate(options, recipe["lr"], recipe["epochs"], step, kSteps);
      CHECK(rate == Approx(expected.get<double>()).epsilon(kTolerance));
    }
  }
}

TEST_CASE("updated by step, the rate rises linearly and then follows the cosine from step 0") {
  ScheduleOptions options;
  options.update = ScheduleUpdate::kStep;
  options.warmup_epochs = 2;
  options.warmup_lr = 0.1;
  options.min_lr = 0.2;
  const auto rate = [&](int64_t step) { return learning_rate(options, 1.0, 8, step, 10); };
  CHECK(rate(0) == Approx(0.1));
  CHECK(rate(5) == Approx(0.1 + 0.9 / 4));
  CHECK(
      rate(20) ==
      Approx(0.2 + 0.4 * (1 + std::sqrt(0.5))));  // a quarter of the way: cos 45 degrees
  CHECK(rate(40) == Approx(0.6));
  CHECK(rate(80) == Approx(0.2));
}

TEST_CASE("the linear rule scales the rate with the global batch") {
  AdamWOptions options;
  options.lr = 5e-4;
  CHECK(peak_learning_rate(options, 1024) == Approx(1e-3).epsilon(kTolerance));
  CHECK(peak_learning_rate(options, 64) == Approx(6.25e-5).epsilon(kTolerance));
  options.scale_lr = false;
  CHECK(peak_learning_rate(options, 1024) == 5e-4);
}

}  // namespace vim::optim
