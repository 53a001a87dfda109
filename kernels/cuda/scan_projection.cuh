// The scan's delta from the small projection, by the tensor cores: delta = dt W^T, a tile of tokens
// at a time, so that it need not be written to memory by a matrix product and read again. Rounded
// to the storage type, as a product's result would be.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/numeric.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kRankStep = 16;  // columns of dt that one product takes
constexpr int kMostRankSteps = 2;

/// W of a warp's channels, spread over its lanes as the second factor of mma_..._16x8x16. T is a
/// 16-bit storage type; a rank below kSteps * kRankStep is filled up with zeros.
template <typename T, int kSteps, int kChannels>
class DtProjection {
  static constexpr int kProducts = kChannels / 8;  // of 8 channels each

 public:
  static constexpr int kTokens = 16;

  /// weight: (channels, rank), those of the warp first; rank even.
  __device__ void load(const T* weight, int channels, int rank) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int i = 0; i < kProducts; ++i) {
        const int channel = 8 * i + group();
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int column = kRankStep * step + 8 * half + 2 * member();
          const bool exists = channel < channels && column < rank;
          weights_[step][i][half] = exists ? pair(weight[channel * rank + column]) : 0;
        }
      }
    }
  }

  /// dt, delta: kTokens rows; of dt as many columns as there are steps, absent ones 0. Other lanes
  /// see delta after a barrier.
  __device__ __forceinline__ void apply(
      const T (*dt)[kRankStep * kSteps], T (*delta)[kChannels]) const {
    float sums[kProducts][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int column = kRankStep * step + 2 * member();
      const uint32_t tokens[4] = {
          pair(dt[group()][column]),
          pair(dt[group() + 8][column]),
          pair(dt[group()][column + 8]),
          pair(dt[group() + 8][column + 8])};
#pragma unroll
      for (int i = 0; i < kProducts; ++i) mma_16x8x16<T>(sums[i], tokens, weights_[step][i]);
    }
#pragma unroll
    for (int i = 0; i < kProducts; ++i) {
      const int channel = 8 * i + 2 * member();
      pair(delta[group()][channel]) = detail::pack_pair(sums[i][0], sums[i][1], T{});
      pair(delta[group() + 8][channel]) = detail::pack_pair(sums[i][2], sums[i][3], T{});
    }
  }

 private:
  __device__ static int group() { return static_cast<int>(threadIdx.x) % kWarpSize / 4; }
  __device__ static int member() { return static_cast<int>(threadIdx.x) % 4; }

  // Two neighbours, the first at an even place.
  __device__ static uint32_t pair(const T& first) {
    return *reinterpret_cast<const uint32_t*>(&first);
  }
  __device__ static uint32_t& pair(T& first) { return *reinterpret_cast<uint32_t*>(&first); }

  uint32_t weights_[kSteps][kProducts][2];
};

/// Where delta is given.
template <typename T, int kChannels>
class DtProjection<T, 0, kChannels> {};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
