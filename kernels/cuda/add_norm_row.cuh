// What the forward and the backward of add+norm do with one row: a warp reads it in packs, keeps it
// in shared memory if it fits, and takes its statistics. A lane only ever reads back what it wrote
// itself, so no barrier is needed.
#pragma once

#include "kernels/add_norm.h"
#include "kernels/cpu/storage.h"
#include "kernels/cuda/launch.cuh"

namespace vim::kernels {

/// Rows of one block, a warp each.
inline constexpr int kNormWarps = 4;

/// A row's mean is mean + shift, both 0 for RMS: one float cannot hold the mean of a row far from 0
/// well enough to be subtracted from it.
struct NormRowStats {
  float mean;
  float shift;
  float rstd;

  __device__ float normalize(float v) const { return (v - mean - shift) * rstd; }
};

/// Calls f(channel) for the first channel of each pack of this lane.
template <int kPack, typename F>
__device__ void for_each_pack(int64_t dim, F f) {
  const int lane = threadIdx.x % kWarpSize;
  for (int64_t c = lane * kPack; c < dim; c += kWarpSize * kPack) {
    f(c);
  }
}

template <int kPack, typename T>
__device__ void load_pack(const T* from, float (&values)[kPack]) {
  const auto pack = *reinterpret_cast<const Pack<T, kPack>*>(from);
  for (int i = 0; i < kPack; ++i) {
    values[i] = to_float(pack.data[i]);
  }
}

template <int kPack, typename T>
__device__ void store_pack(const float (&values)[kPack], T* to) {
  Pack<T, kPack> pack;
  for (int i = 0; i < kPack; ++i) {
    pack.data[i] = from_float<T>(values[i]);
  }
  *reinterpret_cast<Pack<T, kPack>*>(to) = pack;
}

/// Statistics of the row whose packs load(channel, values) gives.
template <int kPack, typename Load>
__device__ NormRowStats norm_row_stats(const AddNormParams& params, Load load) {
  const auto dim = static_cast<float>(params.dim);
  float mean = 0.0F;
  float values[kPack];
  if (params.kind == NormKind::kLayer) {
    float sum = 0.0F;
    for_each_pack<kPack>(params.dim, [&](int64_t c) {
      load(c, values);
      for (int i = 0; i < kPack; ++i) {
        sum += values[i];
      }
    });
    mean = warp_sum(sum) / dim;
  }
  float sum = 0.0F;
  float squares = 0.0F;
  for_each_pack<kPack>(params.dim, [&](int64_t c) {
    load(c, values);
    for (int i = 0; i < kPack; ++i) {
      const float centred = values[i] - mean;
      sum += centred;
      squares += centred * centred;
    }
  });
  const float shift = params.kind == NormKind::kLayer ? warp_sum(sum) / dim : 0.0F;
  // The shift is a rounding error of the mean: subtracting its square cancels nothing.
  const float variance = warp_sum(squares) / dim - shift * shift;
  return {mean, shift, 1.0F / sqrtf(variance + params.eps)};
}

/// mask of the row's sample, 1 without a mask.
__device__ inline float norm_row_mask(const AddNormParams& params, int64_t row) {
  return params.sample_mask == nullptr ? 1.0F : params.sample_mask[row / params.rows_per_sample];
}

}  // namespace vim::kernels
