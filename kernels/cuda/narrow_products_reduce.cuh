// The second launch of the narrow products: adds the row pieces' sums in a fixed order. A block
// takes kWarpSize pairs of neighbouring sums; its warps add interleaved pieces, and the first warp
// adds what they found.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/ordered_sum.cuh"
#include "kernels/narrow_products.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kNarrowReduceWarps = 8;
inline constexpr int kNarrowReduceAtOnce = 9;  // pieces of a warp where there are 66

struct NarrowReduceSums {
  float2 sum[kNarrowReduceWarps][kWarpSize];
};

/// Writes one sum of (channels, columns), or of (columns, channels) where transposed, to where it
/// is wanted; nowhere if it lies in the gap.
__device__ __forceinline__ void store_narrow_sum(
    const NarrowProductsParams& params, int entry, float total, float* sums) {
  const auto channels = static_cast<int>(params.channels);
  const auto columns = static_cast<int>(params.columns);
  const auto gap_begin = static_cast<int>(params.gap_begin);
  const auto gap_end = static_cast<int>(params.gap_end);
  const int width = params.transposed ? channels : columns;
  const int channel = params.transposed ? entry % width : entry / width;
  const int column = params.transposed ? entry / width : entry % width;
  if (column >= gap_begin && column < gap_end) {
    return;
  }
  const int gap = gap_end - gap_begin;
  const int kept_column = column < gap_begin ? column : column - gap;
  sums
      [params.transposed ? kept_column * channels + channel
                         : channel * (columns - gap) + kept_column] = total;
}

/// Blocks are (direction, pairs), the pairs fastest.
__global__ void __launch_bounds__(kNarrowReduceWarps* kWarpSize)
    narrow_products_reduce_kernel(NarrowProductsParams params, int num_pieces) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const auto pairs = static_cast<int64_t>(gridDim.x) * kWarpSize;  // of a piece
  const int pair = static_cast<int>(blockIdx.x) * kWarpSize + lane;
  const auto* partial = static_cast<const float2*>(params.workspace);
  partial += blockIdx.y * num_pieces * pairs + pair;
  float2 total = make_float2(0.0F, 0.0F);
  const auto add = [&total](const float2& part) {
    total.x += part.x;
    total.y += part.y;
  };
  const auto load = [&](int64_t piece, bool exists) {
    return exists ? partial[piece * pairs] : make_float2(0.0F, 0.0F);
  };
  add_loaded<kNarrowReduceAtOnce>(warp, kNarrowReduceWarps, num_pieces, load, add);
  auto* shared = block_shared<NarrowReduceSums>();
  shared->sum[warp][lane] = total;
  __syncthreads();
  if (warp > 0) {
    return;
  }
#pragma unroll
  for (int other = 1; other < kNarrowReduceWarps; ++other) {
    add(shared->sum[other][lane]);
  }
  float* sums = params.direction[blockIdx.y].sums;
  store_narrow_sum(params, 2 * pair, total.x, sums);
  store_narrow_sum(params, 2 * pair + 1, total.y, sums);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
