// The forward kernel of add+norm for the rows of add_norm_wide.cuh.
#pragma once

#include "kernels/cuda/add_norm_wide.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

__global__ void __launch_bounds__(kNormThreads) add_norm_wide_forward_kernel(AddNormParams params) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (row >= params.rows) {
    return;
  }
  const int64_t base = row * params.dim;
  const float mask = norm_row_mask(params, row);
  const auto compute_v = [&](int64_t c) {
    const float x = load_stored(params.x, params.x_dtype, base + c);
    const float branch = is_scaled(params) ? x / params.keep * mask : x;
    return params.residual == nullptr ? branch : params.residual[base + c] + branch;
  };
  if (params.residual_out != nullptr) {
    for_each_channel(params.dim, [&](int64_t c) { params.residual_out[base + c] = compute_v(c); });
  }
  // The stored v is read again rather than recomputed: residual_out may be the residual itself.
  const auto recall_v = [&](int64_t c) {
    return params.residual_out == nullptr ? compute_v(c) : params.residual_out[base + c];
  };
  const NormRowStats stats = wide_row_stats(params, recall_v);
  for_each_channel(params.dim, [&](int64_t c) {
    const float bias = params.bias == nullptr ? 0.0F : params.bias[c];
    const float out = fmaf(stats.normalize(recall_v(c)), params.weight[c], bias);
    store_stored(out, params.out, params.out_dtype, base + c);
  });
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
