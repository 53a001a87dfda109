// The noise of random erasing: against core's Philox, <cmath> in double, and the law of a normal
// number. The pinned bits were computed in exact rational arithmetic, rounded after each operation.
#include "kernels/philox_normal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "src/core/philox.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::PhiloxBlock;

constexpr int kSide = 400;  // pixels of a noisy square; 4 channels
constexpr double kCount = double{kSide} * kSide;
// A correct estimate lies within four standard errors but for one seed in 16000; keys are fixed.
constexpr double kStandardErrors = 4.0;

PhiloxBlock block_at(int x, int y, uint32_t key) {
  return kernels::philox_block(
      {{static_cast<uint32_t>(x), static_cast<uint32_t>(y), 0, 0}}, key, 77);
}

// Channel by channel, the noise of a square.
std::array<std::vector<double>, 4> noisy_square(uint32_t key) {
  std::array<std::vector<double>, 4> channels;
  for (int i = 0; i < kSide * kSide; ++i) {
    const PhiloxBlock block = block_at(i % kSide, i / kSide, key);
    for (int c = 0; c < 4; ++c) {
      channels[static_cast<size_t>(c)].push_back(kernels::normal_of(block, c));
    }
  }
  return channels;
}

double mean_power(const std::vector<double>& values, int power) {
  double sum = 0;
  for (const double value : values) sum += std::pow(value, power);
  return sum / static_cast<double>(values.size());
}

// Mean of a[i] b[i + shift], as b comes around.
double mean_product(const std::vector<double>& a, const std::vector<double>& b, size_t shift = 0) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[(i + shift) % b.size()];
  return sum / static_cast<double>(a.size());
}

double normal_below(double value) { return 0.5 * std::erfc(-value / std::numbers::sqrt2); }

TEST_CASE("the block is core's Philox", "[philox_normal]") {
  for (uint32_t i = 0; i < 1000; ++i) {
    const std::array<uint32_t, 4> counter = {i, i * 0x9E3779B9U, ~i, i << 20};
    const std::array<uint32_t, 2> key = {i * 0x85EBCA6BU, i ^ 0x12345678U};
    const PhiloxBlock block =
        kernels::philox_block({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    const std::array<uint32_t, 4> expected = core::philox_4x32(counter, key);
    CHECK(std::equal(expected.begin(), expected.end(), block.words));
  }
}

TEST_CASE("normal numbers have these very bits on every machine", "[philox_normal]") {
  struct Pinned {
    PhiloxBlock counter;
    uint32_t key[2];
    uint32_t bits[4];
  };
  const Pinned all[] = {
      {{{0, 0, 0, 0}}, {0, 0}, {0x3F7DBB33, 0xBF6CB6B0, 0xBF1E1BA0, 0xBEF6D1B2}},
      {{{223, 17, 0, 0}},
       {0x12345678, 0x9ABCDEF0},
       {0xC0007285, 0x3FD98243, 0xBF446E9D, 0x3F424A1B}},
      {{{5, 1000, 0, 0}}, {0xFFFFFFFF, 1}, {0xBE9C0EE4, 0xBC03C080, 0xBF60DA87, 0x3E80A9FD}}};
  for (const Pinned& one : all) {
    const PhiloxBlock block = kernels::philox_block(one.counter, one.key[0], one.key[1]);
    for (int i = 0; i < 4; ++i) {
      CHECK(kernels::float_bits(kernels::normal_of(block, i)) == one.bits[i]);
    }
  }
}

TEST_CASE("logarithm and waves are those of double within their bounds", "[philox_normal]") {
  std::vector<uint32_t> words = {
      1,
      2,
      3,
      0x3FFFFFFF,
      0x40000000,
      0x80000000,
      0xB504F333,
      0xB504F334,
      0xFFFFFF7F,
      0xFFFFFF80,
      0xFFFFFFFF};
  for (uint32_t i = 1; i < 100000; ++i) words.push_back(i * 2654435761U | 1U);
  double log_error = 0;
  double wave_error = 0;
  for (const uint32_t word : words) {
    const double rounded = static_cast<double>(static_cast<float>(word));
    const double log = -std::log(rounded * 0x1p-32);
    log_error =
        std::max(log_error, std::abs(kernels::negative_log_unit(word) - log) / (log + 1e-30));
    const double angle = 2 * std::numbers::pi * word * 0x1p-32;
    for (const bool is_sine : {false, true}) {
      const double wave = is_sine ? std::sin(angle) : std::cos(angle);
      wave_error = std::max(wave_error, std::abs(kernels::turn_wave(word, is_sine) - wave));
    }
  }
  CHECK(log_error < 3e-7);
  CHECK(wave_error < 2e-7);
  CHECK(kernels::negative_log_unit(0xFFFFFFFF) == 0.0F);
}

TEST_CASE("the noise has the moments of a standard normal number", "[philox_normal]") {
  for (const std::vector<double>& channel : noisy_square(1)) {
    // Variances of the estimates: E[x^2k] - E[x^k]^2, with E[x^2k] = 1, 3, 15, 105 for k = 1 to 4.
    const double expected[] = {0, 1, 0, 3};
    const double variance[] = {1, 2, 15, 96};
    for (int power = 1; power <= 4; ++power) {
      const double error = std::abs(mean_power(channel, power) - expected[power - 1]);
      CHECK(error < kStandardErrors * std::sqrt(variance[power - 1] / kCount));
    }
  }
}

TEST_CASE("the noise follows the normal distribution into its tails", "[philox_normal]") {
  for (std::vector<double> channel : noisy_square(2)) {
    std::sort(channel.begin(), channel.end());
    double distance = 0;  // Kolmogorov's
    for (size_t i = 0; i < channel.size(); ++i) {
      const double share = (static_cast<double>(i) + 0.5) / kCount;
      distance = std::max(distance, std::abs(normal_below(channel[i]) - share));
    }
    CHECK(distance < 1.95 / std::sqrt(kCount));  // exceeded once in 1000
    const auto beyond = std::upper_bound(channel.begin(), channel.end(), 3.5);
    const double tail = static_cast<double>(channel.end() - beyond);
    const double expected = kCount * normal_below(-3.5);
    CHECK(std::abs(tail - expected) < kStandardErrors * std::sqrt(expected));
  }
}

TEST_CASE("channels, neighbours and boxes are independent of one another", "[philox_normal]") {
  const auto square = noisy_square(3);
  const auto other = noisy_square(4);
  const double bound = kStandardErrors / std::sqrt(kCount);
  for (size_t c = 0; c < 4; ++c) {
    for (const size_t shift : {size_t{1}, size_t{kSide}, size_t{kSide + 1}}) {
      CHECK(std::abs(mean_product(square[c], square[c], shift)) < bound);
    }
    CHECK(std::abs(mean_product(square[c], other[c])) < bound);
    for (size_t d = 0; d < c; ++d) {
      CHECK(std::abs(mean_product(square[c], square[d])) < bound);
      // Squares too: the two numbers of a pair share their radius before they are turned.
      std::vector<double> product = square[c];
      for (size_t i = 0; i < product.size(); ++i) product[i] *= square[d][i];
      CHECK(std::abs(mean_power(product, 2) - 1) < kStandardErrors * std::sqrt(8 / kCount));
    }
  }
}

}  // namespace
}  // namespace vim::tests
