// Add+norm of all other rows: more than 1024 channels, a number that is no multiple of four, or
// arrays off the 16-byte grid. A warp walks its row several times, channel by channel;
// a lane only ever reads back what it wrote itself, so no barrier is needed.
#pragma once

#include "kernels/cuda/add_norm_row.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
/// One element of an array of any storage type.
__device__ inline float load_stored(const void* from, DType dtype, int64_t at) {
  float value = 0.0F;
  visit_storage(
      dtype, [&](auto zero) { value = to_float(static_cast<const decltype(zero)*>(from)[at]); });
  return value;
}

__device__ inline void store_stored(float value, void* to, DType dtype, int64_t at) {
  visit_storage(dtype, [&](auto zero) {
    static_cast<decltype(zero)*>(to)[at] = from_float<decltype(zero)>(value);
  });
}

/// Calls f(channel) for each channel of this lane.
template <typename F>
__device__ void for_each_channel(int64_t dim, F f) {
  for (int64_t c = threadIdx.x % kWarpSize; c < dim; c += kWarpSize) {
    f(c);
  }
}

/// Statistics of the row whose channels value(channel) gives.
template <typename Value>
__device__ NormRowStats wide_row_stats(const AddNormParams& params, Value value) {
  float mean = 0.0F;
  float sum = 0.0F;
  if (params.kind == NormKind::kLayer) {
    for_each_channel(params.dim, [&](int64_t c) { sum += value(c); });
    mean = warp_sum(sum) / static_cast<float>(params.dim);
    sum = 0.0F;
  }
  float squares = 0.0F;
  for_each_channel(params.dim, [&](int64_t c) {
    const float centred = value(c) - mean;
    sum += centred;
    squares = fmaf(centred, centred, squares);
  });
  sum = warp_sum(sum);
  return finish_row_stats(params, mean, sum, warp_sum(squares));
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
