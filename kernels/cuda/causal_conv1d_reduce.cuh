// The second phase of the convolution's backward: dweight and dbias are column sums of the blocks'
// partial sums, taken in a fixed order. A block takes kWarpSize columns; its warps sum interleaved
// rows, and the first warp adds what they found.
#pragma once

#include "kernels/cuda/causal_conv1d_plan.h"
#include "kernels/cuda/device.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kConvReduceWarps = 16;

struct ConvReduceSums {
  double sum[kConvReduceWarps][kWarpSize];
};

/// partial: (row blocks, tiles, directions, taps + 1, channels of a tile).
struct ConvPartialShape {
  int64_t num_row_blocks;
  int64_t num_columns;  // of all tiles
  int tile_channels;
  int taps;
};

/// Writes the total of one column to where it belongs, if it belongs anywhere.
__device__ __forceinline__ void store_conv_gradient(
    const ConvBackwardParams& params, const ConvPartialShape& shape, int64_t column, float total) {
  const int64_t tap_row = column / shape.tile_channels;  // (tile, direction, tap)
  const int64_t tile_row = tap_row / (shape.taps + 1);
  const int j = static_cast<int>(tap_row - tile_row * (shape.taps + 1));
  const int64_t tile = tile_row / params.forward.num_directions;
  const int i = static_cast<int>(tile_row - tile * params.forward.num_directions);
  const int64_t channel = tile * shape.tile_channels + (column - tap_row * shape.tile_channels);
  if (channel >= params.forward.channels) {
    return;
  }
  if (j == shape.taps) {
    if (params.dbias[i] != nullptr) {
      params.dbias[i][channel] = total;
    }
    return;
  }
  const int64_t width = params.forward.width;
  const int64_t distance = params.forward.direction[i].reversed ? j : shape.taps - 1 - j;
  if (params.dweight[i] != nullptr && distance < width) {
    params.dweight[i][channel * width + width - 1 - distance] = total;
  }
}

__global__ void __launch_bounds__(kConvReduceWarps* kWarpSize) causal_conv1d_reduce_kernel(
    ConvBackwardParams params, ConvPartialShape shape, const float* partial) {
  auto* shared = block_shared<ConvReduceSums>();
  const int lane = threadIdx.x % kWarpSize;
  const int warp = threadIdx.x / kWarpSize;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kWarpSize + lane;
  double total = 0.0;
  if (column < shape.num_columns) {
#pragma unroll 4
    for (int64_t row = warp; row < shape.num_row_blocks; row += kConvReduceWarps) {
      total += partial[row * shape.num_columns + column];
    }
  }
  shared->sum[warp][lane] = total;
  __syncthreads();
  if (warp > 0 || column >= shape.num_columns) {
    return;
  }
  for (int other = 1; other < kConvReduceWarps; ++other) {
    total += shared->sum[other][lane];
  }
  store_conv_gradient(params, shape, column, static_cast<float>(total));
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
