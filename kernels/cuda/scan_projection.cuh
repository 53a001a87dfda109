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

/// W of a warp's channels, spread over its lanes as the second factor of mma_..._16x8x16. T is a
/// 16-bit storage type; a rank below kSteps * kRankStep is filled up with zeros.
template <typename T, int kSteps, int kChannels>
class DtProjection {
  static constexpr int kProducts = (kChannels + 7) / 8;  // of 8 channels each

 public:
  static constexpr int kTokens = 16;
  using Sums = float[kProducts][4];

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

  /// Adds the products of kTokens tokens: sums[i] are those with channels 8 i to 8 i + 7, spread as
  /// d of mma_16x8x16. pair_at(row, column): two neighbours of dt as a word, 0 where absent.
  template <typename PairAt>
  __device__ __forceinline__ void multiply(PairAt pair_at, Sums& sums) const {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int column = kRankStep * step + 2 * member();
      const uint32_t tokens[4] = {
          pair_at(group(), column),
          pair_at(group() + 8, column),
          pair_at(group(), column + 8),
          pair_at(group() + 8, column + 8)};
#pragma unroll
      for (int i = 0; i < kProducts; ++i) mma_16x8x16<T>(sums[i], tokens, weights_[step][i]);
    }
  }

  /// dt, delta: kTokens rows; of dt as many columns as there are steps, absent ones 0. Other lanes
  /// see delta after a barrier.
  __device__ __forceinline__ void apply(
      const T (*dt)[kRankStep * kSteps], T (*delta)[kChannels]) const {
    static_assert(kChannels % 8 == 0, "whole products");
    Sums sums = {};
    multiply([&](int row, int column) { return pair(dt[row][column]); }, sums);
#pragma unroll
    for (int i = 0; i < kProducts; ++i) {
      const int channel = 8 * i + 2 * member();
      pair(delta[group()][channel]) = detail::pack_pair(sums[i][0], sums[i][1], T{});
      pair(delta[group() + 8][channel]) = detail::pack_pair(sums[i][2], sums[i][3], T{});
    }
  }

  /// Two neighbours, the first at an even place.
  __device__ static uint32_t pair(const T& first) {
    return *reinterpret_cast<const uint32_t*>(&first);
  }
  __device__ static uint32_t& pair(T& first) { return *reinterpret_cast<uint32_t*>(&first); }

  /// The lane's first row and pair of columns in a product.
  __device__ static int group() { return static_cast<int>(threadIdx.x) % kWarpSize / 4; }
  __device__ static int member() { return static_cast<int>(threadIdx.x) % 4; }

 private:
  uint32_t weights_[kSteps][kProducts][2];
};

/// Where delta is given.
template <typename T, int kChannels>
class DtProjection<T, 0, kChannels> {};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
