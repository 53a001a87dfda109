// Known answers are those that the authors of Philox publish with their Random123 library.
#include "src/core/philox.h"

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "tests/support/catch.h"

namespace vim::core {
namespace {

using Words = std::array<uint32_t, 4>;

constexpr int kDraws = 20000;
// A correct mean lies within four standard errors but for one seed in 16000; seeds are fixed.
constexpr double kStandardErrors = 4.0;

struct Moments {
  double mean = 0.0;
  double variance = 0.0;
};

template <typename Draw>
Moments moments_of(Draw draw) {
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// `fourth` is the fourth central moment: the sample variance has variance (fourth - var^2) / n.
void check_moments(const Moments& moments, double mean, double variance, double fourth) {
  CHECK(std::abs(moments.mean - mean) < kStandardErrors * std::sqrt(variance / kDraws));
  const double spread = std::sqrt((fourth - variance * variance) / kDraws);
  CHECK(std::abs(moments.variance - variance) < kStandardErrors * spread);
}

// Fourth central moment of Beta(a, b), from its excess kurtosis.
double beta_fourth_moment(double a, double b, double variance) {
  const double sum = a + b;
  const double excess =
      6.0 * ((a - b) * (a - b) * (sum + 1) - a * b * (sum + 2)) / (a * b * (sum + 2) * (sum + 3));
  return (excess + 3.0) * variance * variance;
}

std::vector<uint32_t> first_words(const RandomKey& key, int count) {
  Random random(key);
  std::vector<uint32_t> words;
  for (int i = 0; i < count; ++i) {
    words.push_back(random.next_u32());
  }
  return words;
}

TEST_CASE("philox_4x32 gives the published answers") {
  CHECK(philox_4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr uint32_t kOnes = 0xffffffff;
  CHECK(
      philox_4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
      Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(
      philox_4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
      Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("equal keys give equal draws, whatever is drawn in between") {
  const RandomKey key{7, RandomStream::kCrop, 3, 2, 5};
  const auto alone = first_words(key, 9);
  Random random(key);
  Random other({7, RandomStream::kCrop, 3, 2, 6});
  for (const uint32_t word : alone) {
    other.normal();
    CHECK(random.next_u32() == word);
  }
}

TEST_CASE("a change of any part of the key gives other draws") {
  const RandomKey base{7, RandomStream::kCrop, 3, 2, 5};
  std::vector<RandomKey> keys(8, base);
  keys[1].seed = 8;
  keys[2].stream = RandomStream::kFlip;
  keys[3].period = 4;
  keys[4].part = 3;
  keys[5].position = 6;
  keys[6].position = 5 + (uint64_t{1} << 32);
  keys[7].seed = 7 + (uint64_t{1} << 32);
  std::set<std::vector<uint32_t>> sequences;
  for (const RandomKey& key : keys) {
    sequences.insert(first_words(key, 8));
  }
  CHECK(sequences.size() == keys.size());
}

TEST_CASE("draws of neighbouring positions do not overlap or correlate") {
  std::set<uint32_t> words;
  double product = 0.0;
  for (uint64_t position = 0; position < kDraws; ++position) {
    Random left({1, RandomStream::kMix, 0, 0, position});
    Random right({1, RandomStream::kMix, 0, 0, position + 1});
    words.insert(Random({1, RandomStream::kMix, 0, 0, position}).next_u32());
    product += (left.uniform() - 0.5) * (right.uniform() - 0.5);
  }
  // 20000 words of 32 bits: 0.05 repetitions are expected, 3 are never seen.
  CHECK(words.size() >= kDraws - 2);
  // The product of two independent centred uniforms has variance 1/144.
  CHECK(std::abs(product / kDraws) < kStandardErrors * std::sqrt(1.0 / 144 / kDraws));
}

TEST_CASE("uniform floats lie in [0, 1) with the moments of the law") {
  Random random({11, RandomStream::kMix});
  check_moments(
      moments_of([&random] {
        const float value = random.uniform();
        REQUIRE(value >= 0.0F);
        REQUIRE(value < 1.0F);
        return static_cast<double>(value);
      }),
      1.0 / 2,
      1.0 / 12,
      1.0 / 80);
}

TEST_CASE("uniform doubles lie in [low, high) with the moments of the law") {
  Random random({12, RandomStream::kMix});
  check_moments(
      moments_of([&random] {
        const double value = random.uniform(-3.0, 5.0);
        REQUIRE(value >= -3.0);
        REQUIRE(value < 5.0);
        return value;
      }),
      1.0,
      64.0 / 12,
      4096.0 / 80);
}

TEST_CASE("uniform_int reaches every value of its range equally often, both ends included") {
  Random random({13, RandomStream::kMix});
  std::array<int, 7> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const int64_t value = random.uniform_int(-3, 3);
    REQUIRE(value >= -3);
    REQUIRE(value <= 3);
    ++counts[static_cast<size_t>(value + 3)];
  }
  constexpr double kProbability = 1.0 / 7;
  const double spread = std::sqrt(kDraws * kProbability * (1 - kProbability));
  for (const int count : counts) {
    CHECK(std::abs(count - kDraws * kProbability) < kStandardErrors * spread);
  }
}

TEST_CASE("uniform_int handles one value and the whole range") {
  Random random({14, RandomStream::kMix});
  CHECK(random.uniform_int(42, 42) == 42);
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();
  int negative = 0;
  for (int i = 0; i < kDraws; ++i) {
    negative += random.uniform_int(kLowest, kHighest) < 0 ? 1 : 0;
    negative += random.uniform_int(kLowest, kHighest - 1) < 0 ? 1 : 0;
  }
  CHECK(std::abs(negative - kDraws) < kStandardErrors * std::sqrt(2 * kDraws * 0.25));
}

TEST_CASE("uniform_int is unbiased where the range does not divide the 64-bit draws") {
  // Of three equal parts, plain division with remainder would reach the first half of the time.
  constexpr int64_t kPart = int64_t{1} << 62;
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  Random random({20, RandomStream::kMix});
  int in_first = 0;
  for (int i = 0; i < kDraws; ++i) {
    in_first += random.uniform_int(kLowest, kPart - 1) < kLowest + kPart;
  }
  const double spread = std::sqrt(kDraws * (1.0 / 3) * (2.0 / 3));
  CHECK(std::abs(in_first - kDraws / 3.0) < kStandardErrors * spread);
}

TEST_CASE("uniform_int takes the high word first") {
  const RandomKey key{15, RandomStream::kMix};
  const auto words = first_words(key, 2);
  Random random(key);
  const int64_t value =
      random.uniform_int(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  CHECK(static_cast<uint64_t>(value) == (uint64_t{words[0]} << 32 | words[1]));
}

TEST_CASE("normal draws have the moments of the standard normal") {
  Random random({16, RandomStream::kMix});
  check_moments(moments_of([&random] { return random.normal(); }), 0.0, 1.0, 3.0);
}

TEST_CASE("gamma draws have the moments of the law, below and above shape 1") {
  for (const double shape : {0.3, 1.0, 4.5}) {
    CAPTURE(shape);
    Random random({17, RandomStream::kMix});
    const double fourth = 3 * shape * shape + 6 * shape;
    check_moments(moments_of([&] { return random.gamma(shape); }), shape, shape, fourth);
  }
}

TEST_CASE("beta draws have the moments of the law") {
  for (const auto& [a, b] : {std::pair{0.8, 0.8}, {1.0, 1.0}, {0.2, 3.0}}) {
    CAPTURE(a, b);
    Random random({18, RandomStream::kMix});
    const double variance = a * b / ((a + b) * (a + b) * (a + b + 1));
    const Moments moments = moments_of([&random, a = a, b = b] { return random.beta(a, b); });
    check_moments(moments, a / (a + b), variance, beta_fourth_moment(a, b, variance));
  }
}

TEST_CASE("beta draws of tiny shapes are numbers, although their gamma draws underflow") {
  Random random({19, RandomStream::kMix});
  constexpr double kShape = 1e-3;
  double sum = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.beta(kShape, kShape);
    REQUIRE(value >= 0.0);
    REQUIRE(value <= 1.0);
    sum += value;
  }
  // Nearly a fair coin: variance just below 1/4.
  CHECK(std::abs(sum / kDraws - 0.5) < kStandardErrors * std::sqrt(0.25 / kDraws));
}

}  // namespace
}  // namespace vim::core
