// The weight gradients of add+norm, which are sums over rows; add_norm.cu says how the kernels work
// together.
#pragma once

#include <cstdint>

#include "kernels/cuda/add_norm_row.cuh"

namespace vim::kernels {
namespace {

constexpr int kColumnWarps = 8;      // rows that a column block reads at a time
constexpr int64_t kChunkRows = 256;  // rows of one partial sum

// Partial dweight and dbias: block (chunk, tile of kWarpSize channels), one lane for each channel.
// partial is (chunks, 2, dim).
template <typename Out>
__global__ void add_norm_column_sums_kernel(
    AddNormBackwardParams params, const NormRowStats* row_stats, float* partial) {
  __shared__ float sums[2][kColumnWarps][kWarpSize];
  const int lane = threadIdx.x % kWarpSize;
  const int warp = threadIdx.x / kWarpSize;
  const int64_t dim = params.forward.dim;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kWarpSize + lane;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kChunkRows;
  const int64_t end = min(begin + kChunkRows, params.forward.rows);
  float dweight = 0.0F;
  float dbias = 0.0F;
  for (int64_t row = begin + warp; c < dim && row < end; row += kColumnWarps) {
    const float dy = to_float(static_cast<const Out*>(params.dout)[row * dim + c]);
    dweight += dy * row_stats[row].normalize(params.v[row * dim + c]);
    dbias += dy;
  }
  sums[0][warp][lane] = dweight;
  sums[1][warp][lane] = dbias;
  __syncthreads();
  if (warp >= 2 || c >= dim) {
    return;
  }
  float total = 0.0F;
  for (int w = 0; w < kColumnWarps; ++w) {
    total += sums[warp][w][lane];
  }
  partial[(static_cast<int64_t>(blockIdx.x) * 2 + warp) * dim + c] = total;
}

// dweight and dbias from their partial sums, one thread for each; y = 0 is dweight, 1 dbias.
__global__ void add_norm_reduce_kernel(
    AddNormBackwardParams params, const float* partial, int64_t num_chunks) {
  const int64_t dim = params.forward.dim;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  float* result = blockIdx.y == 0 ? params.dweight : params.dbias;
  if (c >= dim || result == nullptr) {
    return;
  }
  double total = 0.0;
  for (int64_t chunk = 0; chunk < num_chunks; ++chunk) {
    total += partial[(chunk * 2 + blockIdx.y) * dim + c];
  }
  result[c] = static_cast<float>(total);
}

}  // namespace
}  // namespace vim::kernels
