// The second half of the scan's backward: adds the blocks' partial sums, always in the same order.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/ordered_sum.cuh"
#include "kernels/cuda/scan_backward.cuh"
#include "kernels/cuda/scan_backward_plan.cuh"
#include "kernels/cuda/scan_math.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kBcReduceThreads = 4 * kTilePartials;  // four token tiles a block
constexpr int kBatchSlices = 8;
constexpr int kBatchReduceThreads = kBatchSlices * kWarpSize;

/// dB and dC: the sums over the bundles of a group. Blocks are (direction, batch, group,
/// state group, four token tiles), the last fastest; a thread adds one entry of kTilePartials.
template <typename T>
__global__ void __launch_bounds__(kBcReduceThreads)
    scan_reduce_bc_kernel(ScanBackwardParams params, ScanBackwardPlan plan) {
  const ScanParams& forward = params.forward;
  // Counts of blocks and tiles fit into 32 bits.
  const unsigned tile_blocks = static_cast<unsigned>(plan.token_tiles + 3) / 4;
  const auto state_groups = static_cast<unsigned>(plan.state_groups);
  const auto groups = static_cast<unsigned>(forward.groups);
  const auto samples = static_cast<unsigned>(forward.batch);
  unsigned index = blockIdx.x;
  const unsigned token_tile = index % tile_blocks * 4 + threadIdx.x / kTilePartials;
  index /= tile_blocks;
  const unsigned state_group = index % state_groups;
  index /= state_groups;
  const unsigned group = index % groups;
  index /= groups;
  const unsigned batch = index % samples;
  const auto direction = static_cast<int>(index / samples);
  if (token_tile >= plan.token_tiles) {
    return;
  }
  const int64_t per_group = plan.bundles / forward.groups;
  const int64_t tile_stride = plan.state_groups * plan.token_tiles * kTilePartials;
  const int entry_index = static_cast<int>(threadIdx.x) % kTilePartials;
  const float4* partial =
      plan.bc_partial + plan.bc_row(forward, direction, batch, group * per_group) +
      (state_group * plan.token_tiles + token_tile) * kTilePartials + entry_index;
  float sum[4] = {};
  const auto load = [&](int64_t i, bool exists) {
    return exists ? partial[i * tile_stride] : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
  };
  add_loaded<6>(0, 1, per_group, load, [&sum](const float4& part) {
    sum[0] += part.x;
    sum[1] += part.y;
    sum[2] += part.z;
    sum[3] += part.w;
  });
  const PartialEntry entry(entry_index);
  const ScanDirectionGrads& grads = params.grads[direction];
  const MutableTokenView& view = entry.is_C ? grads.dC : grads.dB;
  const auto segment_tiles = static_cast<unsigned>(plan.segment_tiles);
  const int64_t segment = token_tile / segment_tiles;
  const int64_t begin = segment * plan.split.chunk;
  const int64_t end = min(begin + plan.split.chunk, forward.seqlen);
  const int64_t step = token_tile % segment_tiles * kTileTokens + entry.token;
  if (step >= end - begin) {
    return;
  }
  const int64_t token = forward.direction[direction].reversed ? end - 1 - step : begin + step;
  const int64_t first_state = state_group * kGroupStates + entry.state;
  T* to = scan_sample<T>(view, batch) + token * view.token_stride + group * forward.d_state;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (first_state + i < forward.d_state) to[first_state + i] = from_float<T>(sum[i]);
  }
}

/// result[i] = factor[i] (1 where null) times the sum over the batch of partial[b][i]; null: not
/// wanted. Lanes take neighbouring entries, warps every kBatchSlices-th sample.
struct BatchSum {
  const float* partial;
  float* result;
  int64_t entries;
  const float* factor = nullptr;
};

struct BatchSums {
  BatchSum sum[3 * kMaxDirections];
  int64_t batch;
};

__global__ void __launch_bounds__(kBatchReduceThreads) scan_reduce_batch_kernel(BatchSums sums) {
  const BatchSum& sum = sums.sum[blockIdx.y];
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int slice = static_cast<int>(threadIdx.x) / kWarpSize;
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kWarpSize + lane;
  const bool exists = entry < sum.entries && sum.result != nullptr;
  float total = 0.0F;
  const auto load = [&](int64_t b, bool is_sample) {
    return is_sample ? sum.partial[b * sum.entries + entry] : 0.0F;
  };
  const int64_t samples = exists ? sums.batch : 0;
  add_loaded<8>(slice, kBatchSlices, samples, load, [&total](float part) { total += part; });
  float* slices = block_shared<float>();
  slices[threadIdx.x] = total;
  __syncthreads();
  if (slice != 0 || !exists) {
    return;
  }
  for (int i = 1; i < kBatchSlices; ++i) {
    total += slices[i * kWarpSize + lane];
  }
  sum.result[entry] = sum.factor == nullptr ? total : total * sum.factor[entry];
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
