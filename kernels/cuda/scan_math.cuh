// What every scan kernel computes per token and channel, and how it finds its place: softplus, the
// gate, walks through the tokens, channel tiles.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/numeric.cuh"
#include "kernels/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr float kLog2E = 1.44269504F;
inline constexpr float kLn2 = 0.693147181F;
inline constexpr float kSoftplusLimit = 20.0F;  // above it softplus is the identity, officially

/// log(1 + exp(x)), x itself above 20. With 16-bit storage within 1e-5 of it, relatively; with
/// float storage to rounding.
template <typename T>
__device__ __forceinline__ float scan_softplus(float x) {
  if (std::is_same<T, float>::value) {
    return x > kSoftplusLimit ? x : log1pf(expf(x));
  }
  const float e = fast_exp2(x * kLog2E);
  const float series = e * (1.0F - e * (0.5F - e * 0.333333333F));  // 1 + e would round e away
  const float log = e < 0.03F ? series : fast_log2(1.0F + e) * kLn2;
  return x > kSoftplusLimit ? x : log;
}

/// The derivative of softplus from its value: sigmoid(x) = 1 - exp(-softplus(x)), within 2e-9 of
/// the official 1 above 20.
template <typename T>
__device__ __forceinline__ float scan_softplus_slope(float softplus) {
  if (std::is_same<T, float>::value) {
    return -expm1f(-softplus);
  }
  const float series = softplus * (1.0F - softplus * (0.5F - softplus * 0.166666667F));
  return softplus < 0.03F ? series : 1.0F - fast_exp2(-softplus * kLog2E);
}

template <typename T>
__device__ __forceinline__ float scan_sigmoid(float x) {
  if (std::is_same<T, float>::value) {
    return 1.0F / (1.0F + expf(-x));
  }
  return fast_reciprocal(1.0F + fast_exp2(-x * kLog2E));
}

/// What the gate makes of one value: out = scale y silu(z), and the gradient of z.
struct Gated {
  float out;
  float dz;
};

template <typename T>
__device__ __forceinline__ Gated scan_gate(float z, float y, float dout, float scale) {
  const float sigmoid = scan_sigmoid<T>(z);
  const float slope = sigmoid * (1.0F + z * (1.0F - sigmoid));
  return {scale * y * (z * sigmoid), dout * scale * y * slope};
}

/// The channels of one block: a tile never crosses a group of B and C.
struct ScanTile {
  int64_t group;
  int64_t first;  // channel
  int64_t end;    // one past the last channel
};

/// Index, here and where walks are located: int64_t, or uint32_t, which holds all counts of
/// channels and walks as well, divides in a third of the time, and costs kernels short of registers
/// more of them.
template <typename Index = int64_t>
__host__ __device__ inline Index scan_group_width(const ScanParams& params) {
  return static_cast<Index>(params.d_inner) / static_cast<Index>(params.groups);
}

template <typename Index = int64_t>
__host__ __device__ inline Index scan_tiles_per_group(const ScanParams& params, int tile_width) {
  return (scan_group_width<Index>(params) + tile_width - 1) / tile_width;
}

template <typename Index>
__device__ inline ScanTile scan_tile(const ScanParams& params, int tile_width, Index index) {
  const Index per_group = scan_tiles_per_group<Index>(params, tile_width);
  const Index group = index / per_group;
  const Index width = scan_group_width<Index>(params);
  const Index first = group * width + index % per_group * tile_width;
  const Index end = first + tile_width;
  return {group, first, end < (group + 1) * width ? end : (group + 1) * width};
}

/// Token of a step of the walk.
__device__ __forceinline__ int64_t
scan_token(const ScanParams& params, bool reversed, int64_t step) {
  return reversed ? params.seqlen - 1 - step : step;
}

/// A sample's tokens in storage type T.
template <typename T>
__device__ __forceinline__ const T* scan_sample(const TokenView& view, int64_t batch) {
  return static_cast<const T*>(view.data) + batch * view.batch_stride;
}

template <typename T>
__device__ __forceinline__ T* scan_sample(const MutableTokenView& view, int64_t batch) {
  return static_cast<T*>(view.data) + batch * view.batch_stride;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
