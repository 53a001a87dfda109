// The weight gradients of add+norm are sums over rows: over a chunk's rows in its block, then over
// the chunks. Chunks have a fixed number of rows and all sums a fixed order, so the device and its
// schedule do not show in the results.
#pragma once

#include "kernels/cuda/add_norm_row.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Rows of one partial sum, of many and of few rows: a batch of one image still fills the device,
/// and the partial sums of many rows are 1/32 of their traffic at most.
inline constexpr int kNormChunkRows = 32;
inline constexpr int kNormShortChunkRows = 8;
inline constexpr int64_t kNormFewRows = 2048;

/// Warps of a reducing block, each adding every kReduceWarps-th chunk.
inline constexpr int kReduceWarps = 32;

namespace {

// Adds what the block's lanes hold of each channel and writes the totals. The dynamic shared memory
// holds kNormWarps rows of dim floats.
template <class Tile>
__device__ __forceinline__ void store_block_sums(HeldRow<Tile>& sums, int dim, float* totals) {
  float* rows = block_shared<float>();
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int) {
    for (int i = 0; i < kNormPack; ++i) {
      for (int offset = Tile::kLanes; offset < kWarpSize; offset *= 2) {
        sums.values[pack][i] += __shfl_xor_sync(kFullWarp, sums.values[pack][i], offset);
      }
    }
  });
  const bool is_first = static_cast<int>(threadIdx.x) % kWarpSize < Tile::kLanes;
  store_row(sums, is_first ? dim : 0, rows + warp * dim);
  __syncthreads();
  for (int c = static_cast<int>(threadIdx.x); c < dim; c += kNormThreads) {
    float total = 0.0F;
    for (int w = 0; w < kNormWarps; ++w) {
      total += rows[w * dim + c];
    }
    totals[c] = total;
  }
  __syncthreads();  // the rows are used again
}

struct ReduceShared {
  double sums[kReduceWarps][kWarpSize];
};

// dweight and dbias from the chunks' sums, kWarpSize channels for each block; y = 0 is dweight, 1
// dbias.
__global__ void __launch_bounds__(kReduceWarps* kWarpSize)
    add_norm_reduce_kernel(AddNormBackwardParams params, const float* partial, int64_t num_chunks) {
  auto* shared = block_shared<ReduceShared>();
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int64_t dim = params.forward.dim;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kWarpSize + lane;
  float* result = blockIdx.y == 0 ? params.dweight : params.dbias;
  if (result == nullptr) {
    return;
  }
  const float* column = partial + blockIdx.y * dim + c;
  const int64_t count = c < dim ? num_chunks : 0;  // one condition, or the loads are not unrolled
  double total = 0.0;
#pragma unroll 8
  for (int64_t chunk = warp; chunk < count; chunk += kReduceWarps) {
    total += column[chunk * 2 * dim];
  }
  shared->sums[warp][lane] = total;
  __syncthreads();
  if (warp > 0 || c >= dim) {
    return;
  }
  total = 0.0;
  for (int w = 0; w < kReduceWarps; ++w) {
    total += shared->sums[w][lane];
  }
  result[c] = static_cast<float>(total);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
