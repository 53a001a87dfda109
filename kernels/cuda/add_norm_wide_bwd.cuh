// The backward kernels of add+norm for the rows of add_norm_wide.cuh: the input gradients row by
// row, then the chunks' sums of the weight gradients column by column.
#pragma once

#include "kernels/cuda/add_norm_sums.cuh"
#include "kernels/cuda/add_norm_wide.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kColumnWarps = 8;  // rows that a column block reads at a time

// dv, dx and the row statistics, which the column sums need.
__global__ void __launch_bounds__(kNormThreads)
    add_norm_wide_backward_kernel(AddNormBackwardParams params, NormRowStats* row_stats) {
  const AddNormParams& forward = params.forward;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (row >= forward.rows) {
    return;
  }
  const int64_t base = row * forward.dim;
  const float* v = params.v + base;
  const auto dout = [&](int64_t c) {
    return load_stored(params.dout, forward.out_dtype, base + c);
  };
  const NormRowStats stats = wide_row_stats(forward, [&](int64_t c) { return v[c]; });
  if (threadIdx.x % kWarpSize == 0) {
    row_stats[row] = stats;
  }
  float q_sum = 0.0F;
  float xhat_q_sum = 0.0F;
  for_each_channel(forward.dim, [&](int64_t c) {
    const float q = forward.weight[c] * dout(c);
    q_sum += q;
    xhat_q_sum = fmaf(stats.normalize(v[c]), q, xhat_q_sum);
  });
  const auto dim = static_cast<float>(forward.dim);
  const float mean_q = forward.kind == NormKind::kLayer ? warp_sum(q_sum) / dim : 0.0F;
  const float mean_xhat_q = warp_sum(xhat_q_sum) / dim;
  const float mask = norm_row_mask(forward, row);
  for_each_channel(forward.dim, [&](int64_t c) {
    const float q = forward.weight[c] * dout(c);
    const float own = fmaf(-stats.normalize(v[c]), mean_xhat_q, q - mean_q);
    const float dresidual = params.dresidual == nullptr ? 0.0F : params.dresidual[base + c];
    const float dv = fmaf(own, stats.rstd, dresidual);
    if (params.dv != nullptr) {
      params.dv[base + c] = dv;
    }
    if (params.dx != nullptr) {
      store_stored(dv * mask / forward.keep, params.dx, forward.x_dtype, base + c);
    }
  });
}

struct ColumnShared {
  float sums[2][kColumnWarps][kWarpSize];
};

// A chunk's sums of dweight and dbias: block (chunk, tile of kWarpSize channels), one lane for each
// channel. partial is (chunks, 2, dim).
__global__ void __launch_bounds__(kColumnWarps* kWarpSize) add_norm_column_sums_kernel(
    AddNormBackwardParams params, const NormRowStats* row_stats, int chunk_rows, float* partial) {
  auto* shared = block_shared<ColumnShared>();
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int64_t dim = params.forward.dim;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kWarpSize + lane;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * chunk_rows;
  const int64_t end =
      begin + chunk_rows < params.forward.rows ? begin + chunk_rows : params.forward.rows;
  float dweight = 0.0F;
  float dbias = 0.0F;
  for (int64_t row = begin + warp; c < dim && row < end; row += kColumnWarps) {
    const float dy = load_stored(params.dout, params.forward.out_dtype, row * dim + c);
    dweight = fmaf(dy, row_stats[row].normalize(params.v[row * dim + c]), dweight);
    dbias += dy;
  }
  shared->sums[0][warp][lane] = dweight;
  shared->sums[1][warp][lane] = dbias;
  __syncthreads();
  if (warp >= 2 || c >= dim) {
    return;
  }
  float total = 0.0F;
  for (int w = 0; w < kColumnWarps; ++w) {
    total += shared->sums[warp][w][lane];
  }
  partial[(static_cast<int64_t>(blockIdx.x) * 2 + warp) * dim + c] = total;
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
