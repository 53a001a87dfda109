// The states that enter the chunks of a cut sequence: every chunk is first walked from a state of
// 0, then a short walk over the chunks adds what came before: a state h that enters a chunk leaves
// it as exp(A sum(dt)) h plus what the chunk itself left.
#pragma once

#include <cstdint>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_forward.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kCarryThreads = 128;
constexpr int kCarryAhead = 32;  // chunks whose loads overlap

/// Writes what each chunk leaves of a state of 0 into split.states, and split.sum_dt. A block is
/// one warp and walks one direction.
template <typename Form>
__global__ void __launch_bounds__(kWarpSize) scan_chunk_kernel(ScanParams params, ScanSplit split) {
  const ScanWarp warp = locate_warp<int64_t>(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  auto& shared = *block_shared<typename Form::Shared>();
  float sum_dt = 0.0F;
  const int end = warp.num_tokens();
  for (int begin = 0; begin < end; begin += kWarpTokens) {
    const ScanSteps steps{warp.token(begin), warp.reversed ? -1 : 1, min(end - begin, kWarpTokens)};
    stage_items<Form>(params, warp, steps, shared);
    stage_bc<Form>(params, warp, steps, shared.bc[0][0]);
    __syncwarp();
    for (int i = 0; i < steps.count; ++i) {
      const float2 item = shared.items[i][lane.channel];
      sum_dt += item.x;
      advance_states(lane, item.x, item.x * item.y, &shared.bc[i][0][lane.first_state]);
    }
    __syncwarp();
  }
  lane.leave_chunk(params, warp, split, sum_dt);
}

/// Turns what the chunks leave into what enters them. One thread for each (direction, batch,
/// channel, state).
__global__ void __launch_bounds__(kCarryThreads)
    scan_carry_kernel(ScanParams params, ScanSplit split) {
  const int64_t entries = params.d_inner * params.d_state;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kCarryThreads + threadIdx.x;
  if (index >= params.num_directions * params.batch * entries) {
    return;
  }
  const int64_t row = index / entries;
  const int64_t entry = index % entries;
  const ScanDirection& in = params.direction[row / params.batch];
  const float A = in.A[entry] * kLog2E;
  const int64_t first = in.reversed ? split.num_chunks - 1 : 0;
  const int64_t step = in.reversed ? -1 : 1;
  float* states = split.states + (row * split.num_chunks + first) * entries + entry;
  const float* sum_dt =
      split.sum_dt + (row * split.num_chunks + first) * params.d_inner + entry / params.d_state;
  float carried = 0.0F;
  for (int64_t i = 0; i < split.num_chunks; i += kCarryAhead) {
    float left[kCarryAhead];
    float sum[kCarryAhead];
#pragma unroll
    for (int k = 0; k < kCarryAhead; ++k) {
      const int64_t chunk = min(i + k, split.num_chunks - 1) * step;
      left[k] = states[chunk * entries];
      sum[k] = sum_dt[chunk * params.d_inner];
    }
#pragma unroll
    for (int k = 0; k < kCarryAhead; ++k) {
      if (i + k < split.num_chunks) {
        states[(i + k) * step * entries] = carried;
        carried = fmaf(fast_exp2(A * sum[k]), carried, left[k]);
      }
    }
  }
}

/// A split whose states and sums of dt lie in scan_split_floats floats.
inline ScanSplit make_split(const ScanParams& params, int64_t chunk, float* floats) {
  ScanSplit split;
  split.chunk = chunk;
  split.num_chunks = divide_up(params.seqlen, chunk);
  if (split.num_chunks > 1) {
    const int64_t rows = params.num_directions * params.batch * split.num_chunks;
    split.states = floats;
    split.sum_dt = floats + rows * params.d_inner * params.d_state;
  }
  return split;
}

/// Launches scan_carry_kernel, in the order of the walk or, `backwards`, in the opposite one.
inline void launch_carry(
    ScanParams params, const ScanSplit& split, bool backwards, cudaStream_t stream) {
  for (ScanDirection& direction : params.direction) direction.reversed ^= backwards;
  const int64_t entries = params.num_directions * params.batch * params.d_inner * params.d_state;
  LaunchShape shape;
  shape.block = dim3(kCarryThreads);
  shape.grid = dim3(static_cast<unsigned>(divide_up(entries, kCarryThreads)));
  shape.stream = stream;
  VIM_LAUNCH(scan_carry_kernel, shape, params, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
