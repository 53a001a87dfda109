// The backward kernel of add+norm for the rows; add_norm.cu says how the kernels work together.
#pragma once

#include <cstdint>

#include "kernels/cuda/add_norm_row.cuh"

namespace vim::kernels {
namespace {

// The two means that the gradient of a row needs: of q = weight * dout (0 for RMS), and of xhat *
// q.
struct GradMeans {
  float q;
  float xhat_q;
};

// One row of the backward. load(channel, v, dy) gives a pack of each.
template <int kPack, typename Load>
__device__ GradMeans grad_means(const AddNormParams& params, const NormRowStats& stats, Load load) {
  float q_sum = 0.0F;
  float xhat_q_sum = 0.0F;
  for_each_pack<kPack>(params.dim, [&](int64_t c) {
    float v[kPack];
    float dy[kPack];
    float weight[kPack];
    load(c, v, dy);
    load_pack<kPack>(params.weight + c, weight);
    for (int i = 0; i < kPack; ++i) {
      const float q = weight[i] * dy[i];
      q_sum += q;
      xhat_q_sum += stats.normalize(v[i]) * q;
    }
  });
  const auto dim = static_cast<float>(params.dim);
  const float q = params.kind == NormKind::kLayer ? warp_sum(q_sum) / dim : 0.0F;
  return {q, warp_sum(xhat_q_sum) / dim};
}

// Writes dv and dx of one pack.
template <typename X, int kPack>
__device__ void store_input_grads(
    const AddNormBackwardParams& params, int64_t at, float mask, float (&dv)[kPack]) {
  if (params.dresidual != nullptr) {
    float dresidual[kPack];
    load_pack<kPack>(params.dresidual + at, dresidual);
    for (int i = 0; i < kPack; ++i) {
      dv[i] += dresidual[i];
    }
  }
  if (params.dv != nullptr) {
    store_pack<kPack>(dv, params.dv + at);
  }
  if (params.dx == nullptr) {
    return;
  }
  for (int i = 0; i < kPack; ++i) {
    dv[i] = dv[i] * mask / params.forward.keep;
  }
  store_pack<kPack>(dv, static_cast<X*>(params.dx) + at);
}

// dv, dx and the row statistics, which the column sums need. is_cached: the dynamic shared memory
// holds kNormWarps rows of v and dout; otherwise they are read again.
template <typename X, typename Out, int kPack>
__global__ void add_norm_backward_kernel(
    AddNormBackwardParams params, NormRowStats* row_stats, bool is_cached) {
  extern __shared__ float4 shared_rows[];
  const AddNormParams& forward = params.forward;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (row >= forward.rows) {
    return;
  }
  const int64_t base = row * forward.dim;
  const auto* dout = static_cast<const Out*>(params.dout) + base;
  const int64_t cache_offset = threadIdx.x / kWarpSize * 2 * forward.dim;
  float* v_cache = reinterpret_cast<float*>(shared_rows) + cache_offset;
  float* dy_cache = v_cache + forward.dim;
  float v[kPack];
  float dy[kPack];
  for_each_pack<kPack>(is_cached ? forward.dim : 0, [&](int64_t c) {
    load_pack<kPack>(params.v + base + c, v);
    load_pack<kPack>(dout + c, dy);
    store_pack<kPack>(v, v_cache + c);
    store_pack<kPack>(dy, dy_cache + c);
  });
  const float* v_row = is_cached ? v_cache : params.v + base;
  const auto recall = [&](int64_t c, float(&v_values)[kPack], float(&dy_values)[kPack]) {
    load_pack<kPack>(v_row + c, v_values);
    if (is_cached) {
      load_pack<kPack>(dy_cache + c, dy_values);
    } else {
      load_pack<kPack>(dout + c, dy_values);
    }
  };
  const NormRowStats stats = norm_row_stats<kPack>(
      forward, [&](int64_t c, float(&values)[kPack]) { load_pack<kPack>(v_row + c, values); });
  if (threadIdx.x % kWarpSize == 0) {
    row_stats[row] = stats;
  }
  const GradMeans means = grad_means<kPack>(forward, stats, recall);
  const float mask = norm_row_mask(forward, row);
  for_each_pack<kPack>(forward.dim, [&](int64_t c) {
    float weight[kPack];
    recall(c, v, dy);
    load_pack<kPack>(forward.weight + c, weight);
    for (int i = 0; i < kPack; ++i) {
      const float xhat = stats.normalize(v[i]);
      v[i] = (weight[i] * dy[i] - means.q - xhat * means.xhat_q) * stats.rstd;
    }
    store_input_grads<X>(params, base + c, mask, v);
  });
}

}  // namespace
}  // namespace vim::kernels
