// Counter-based random numbers: Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"). A draw depends on its key alone, never on what was drawn before elsewhere, so
// worker count, rank count and interruptions change nothing.
#pragma once

#include <array>
#include <cstdint>

namespace vim::core {

/// What a stream of draws is for. Values are part of reproducibility: never renumber.
enum class RandomStream : uint32_t {
  kSampler = 1,
  kCrop = 2,
  kFlip = 3,
  kAugment = 4,
  kMix = 5,
  kDropPath = 6,
  kDropout = 7,
  kTokenFlip = 8,
  kTokenOrder = 9,
  kClsPosition = 10,
  kShapes = 11,
  kErase = 12,
  kInterpolation = 20,
  kThreeAugment = 21,
  kColorJitter = 22,
};

/// Ten rounds of Philox-4x32 on one counter.
std::array<uint32_t, 4> philox_4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Where a sequence of draws starts. For samples: (seed, stream, epoch, 0, position in the epoch's
/// global order). Inside a step: (seed, stream, step, layer or mix group, position in the global
/// batch).
struct RandomKey {
  uint64_t seed = 0;
  RandomStream stream = RandomStream::kSampler;
  uint64_t period = 0;    // epoch or step; below 2^32
  uint32_t part = 0;      // layer or mix group; below 2^16
  uint64_t position = 0;  // below 2^48
};

/// The draws that belong to one key, in order.
class Random {
 public:
  explicit Random(const RandomKey& key);

  uint32_t next_u32();

  /// Uniform in [0, 1), 24 random bits: exact in float.
  float uniform();

  /// Uniform in [low, high) with 53 random bits.
  double uniform(double low, double high);

  /// Uniform integer in [low, high], both included, without modulo bias. Requires low <= high.
  int64_t uniform_int(int64_t low, int64_t high);

  /// Standard normal (Box-Muller).
  double normal();

  /// Gamma(shape, 1), shape > 0 (Marsaglia & Tsang 2000).
  double gamma(double shape);

  /// Beta(a, b), a and b > 0.
  double beta(double a, double b);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace vim::core
