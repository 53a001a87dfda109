// Philox-4x32-10 and the distributions drawn from it.
#include "src/core/philox.h"

#include <cmath>
#include <numbers>

namespace vim::core {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

// SplitMix64's finaliser: spreads a seed's bits, so that seeds 0, 1, 2 give unrelated keys.
uint64_t mix_bits(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// Logarithm of a Gamma(shape, 1) draw, which itself underflows to 0 where shape is small.
double log_gamma(Random& random, double shape) {
  if (shape < 1.0) {
    const double log_boost = std::log1p(-random.uniform(0.0, 1.0)) / shape;
    return log_gamma(random, shape + 1.0) + log_boost;
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = random.normal();
    const double v = std::pow(1.0 + c * x, 3);
    if (v > 0 &&
        std::log1p(-random.uniform(0.0, 1.0)) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return std::log(d * v);
    }
  }
}

}  // namespace

std::array<uint32_t, 4> philox_4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {
        static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
        static_cast<uint32_t>(product1),
        static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
        static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

Random::Random(const RandomKey& key) {
  // Seed and stream make the key; period, part and position fill the counter without overlap, and
  // its first word counts the blocks drawn.
  const uint64_t mixed = mix_bits(mix_bits(key.seed) ^ static_cast<uint64_t>(key.stream));
  key_ = {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
  counter_ = {
      0,
      static_cast<uint32_t>(key.period),
      static_cast<uint32_t>(key.position),
      static_cast<uint32_t>(key.position >> 32) << 16 | (key.part & 0xFFFF)};
}

uint32_t Random::next_u32() {
  if (used_ == 4) {
    block_ = philox_4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

float Random::uniform() { return static_cast<float>(next_u32() >> 8) * 0x1.0p-24F; }

double Random::uniform(double low, double high) {
  const uint64_t high_bits = next_u32() >> 5;
  const uint64_t low_bits = next_u32() >> 6;
  const double unit = static_cast<double>(high_bits << 26 | low_bits) * 0x1.0p-53;
  return low + (high - low) * unit;
}

int64_t Random::uniform_int(int64_t low, int64_t high) {
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  const auto draw = [this] {
    const uint64_t high_word = next_u32();  // a statement each: operands have no fixed order
    return high_word << 32 | next_u32();
  };
  if (span == 0) {
    return static_cast<int64_t>(draw());
  }
  const uint64_t limit = UINT64_MAX - UINT64_MAX % span;  // reject the incomplete last stretch
  uint64_t value = draw();
  while (value >= limit) {
    value = draw();
  }
  return static_cast<int64_t>(static_cast<uint64_t>(low) + value % span);  // wraps, never overflows
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform(0.0, 1.0)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(0.0, 1.0));
}

double Random::gamma(double shape) { return std::exp(log_gamma(*this, shape)); }

double Random::beta(double a, double b) {
  const double log_x = log_gamma(*this, a);
  const double log_y = log_gamma(*this, b);
  return 1.0 / (1.0 + std::exp(log_y - log_x));
}

}  // namespace vim::core
