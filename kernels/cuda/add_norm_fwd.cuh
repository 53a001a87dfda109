// The forward kernel of add+norm; add_norm.cu says how the kernels work together.
#pragma once

#include <cstdint>

#include "kernels/cuda/add_norm_row.cuh"

namespace vim::kernels {
namespace {

// v of one pack: the residual, if any, plus mask * (x / keep).
template <typename X, int kPack>
__device__ void load_v(const AddNormParams& params, int64_t at, float mask, float (&v)[kPack]) {
  load_pack<kPack>(static_cast<const X*>(params.x) + at, v);
  for (int i = 0; i < kPack; ++i) {
    v[i] = v[i] / params.keep * mask;
  }
  if (params.residual == nullptr) {
    return;
  }
  float residual[kPack];
  load_pack<kPack>(params.residual + at, residual);
  for (int i = 0; i < kPack; ++i) {
    v[i] += residual[i];
  }
}

// is_cached: the dynamic shared memory holds kNormWarps rows of v; otherwise residual_out serves,
// or v is computed again.
template <typename X, typename Out, int kPack>
__global__ void add_norm_forward_kernel(AddNormParams params, bool is_cached) {
  extern __shared__ float4 shared_rows[];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (row >= params.rows) {
    return;
  }
  const int64_t base = row * params.dim;
  const float mask = norm_row_mask(params, row);
  float* cache = reinterpret_cast<float*>(shared_rows) + threadIdx.x / kWarpSize * params.dim;
  float v[kPack];
  for_each_pack<kPack>(params.dim, [&](int64_t c) {
    load_v<X>(params, base + c, mask, v);
    if (is_cached) {
      store_pack<kPack>(v, cache + c);
    }
    if (params.residual_out != nullptr) {
      store_pack<kPack>(v, params.residual_out + base + c);
    }
  });
  const auto recall = [&](int64_t c, float(&values)[kPack]) {
    if (is_cached) {
      load_pack<kPack>(cache + c, values);
    } else if (params.residual_out != nullptr) {
      load_pack<kPack>(params.residual_out + base + c, values);
    } else {
      load_v<X>(params, base + c, mask, values);
    }
  };
  const NormRowStats stats = norm_row_stats<kPack>(params, recall);
  for_each_pack<kPack>(params.dim, [&](int64_t c) {
    float weight[kPack];
    float bias[kPack] = {};
    load_pack<kPack>(params.weight + c, weight);
    if (params.bias != nullptr) {
      load_pack<kPack>(params.bias + c, bias);
    }
    recall(c, v);
    for (int i = 0; i < kPack; ++i) {
      v[i] = stats.normalize(v[i]) * weight[i] + bias[i];
    }
    store_pack<kPack>(v, static_cast<Out*>(params.out) + base + c);
  });
}

}  // namespace
}  // namespace vim::kernels
