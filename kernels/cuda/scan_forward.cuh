// The forward of the selective scan. A block holds a tile of channels of one sample, with a warp
// for each direction. Both directions walk at once, from opposite ends: up to the middle each
// leaves its y in memory, past it each adds the other's, gates the sum once and writes the output.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_rows.cuh"
#include "kernels/cuda/scan_warp.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// Where a view's rows lie by step of a warp's walk, from `column` on. Inputs are only read.
template <typename T, typename View>
__device__ __forceinline__ StepRows<T*> walk_rows(
    const View& view, const ScanWarp& warp, int64_t column) {
  StepRows<T*> rows;
  rows.origin =
      const_cast<T*>(scan_sample<T>(view, warp.batch)) + warp.token(0) * view.token_stride + column;
  rows.stride = static_cast<int>(warp.reversed ? -view.token_stride : view.token_stride);
  return rows;
}

/// kStates: only the states are walked, for what a chunk makes of them.
enum class ForwardPhase { kOnly, kFirstHalf, kSecondHalf, kStates };

/// True where a walk gates what it has and writes the output.
__host__ __device__ constexpr bool finishes(ForwardPhase phase) {
  return phase == ForwardPhase::kOnly || phase == ForwardPhase::kSecondHalf;
}

/// One step of a lane's states; returns the lane's share of sum_n C h. B and C: those of its
/// states.
template <typename Form, typename Value>
__device__ __forceinline__ float advance(
    ScanLane<Form>& lane, float dt, float input, const Value* B, const Value* C) {
  constexpr int kStates = Form::kLaneStates;
  constexpr int kPack = kStates < 4 ? kStates : 4;
  constexpr int kSums = kStates > 4 ? 2 : 1;  // a longer chain would be waited for
  float y[kSums] = {};
#pragma unroll
  for (int n = 0; n < kStates; n += kPack) {
    float b[kPack];
    float c[kPack];
    load_pack<kPack>(B + n, b);
    load_pack<kPack>(C + n, c);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float decay = fast_exp2(dt * lane.A[n + i]);
      lane.h[n + i] = fmaf(decay, lane.h[n + i], input * b[i]);
      y[i % kSums] = fmaf(c[i], lane.h[n + i], y[i % kSums]);
    }
  }
  return kSums == 1 ? y[0] : y[0] + y[kSums - 1];
}

/// The same for the states alone.
template <typename Form, typename Value>
__device__ __forceinline__ void advance_states(
    ScanLane<Form>& lane, float dt, float input, const Value* B) {
  constexpr int kStates = Form::kLaneStates;
  constexpr int kPack = kStates < 4 ? kStates : 4;
#pragma unroll
  for (int n = 0; n < kStates; n += kPack) {
    float b[kPack];
    load_pack<kPack>(B + n, b);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      lane.h[n + i] = fmaf(fast_exp2(dt * lane.A[n + i]), lane.h[n + i], input * b[i]);
    }
  }
}

template <typename Form>
__device__ __forceinline__ void walk_token(
    ScanLane<Form>& lane, float D, int step, typename Form::Shared& shared) {
  float2& item = shared.items[step][lane.channel];
  const float dt = item.x;
  const float u = item.y;
  const auto& bc = shared.bc[step];
  const float y = sum_over_lanes<Form>(
      advance(lane, dt, dt * u, &bc[0][lane.first_state], &bc[1][lane.first_state]));
  if (lane.first_state == 0) {
    item.x = fmaf(D, u, y);
  }
}

// What the walk left goes to memory: as it is in the first half; completed and gated otherwise.
template <typename Form>
__device__ __forceinline__ void write_tokens(
    const ScanParams& params,
    const ScanWarp& warp,
    const ScanSteps& steps,
    const typename Form::Shared& shared,
    ForwardPhase phase) {
  using T = typename Form::Storage;
  const bool is_gated = params.z.data != nullptr;
  // Without a place for the sums the first half lies in the output until the second overwrites it.
  const bool has_sums = params.y.data != nullptr;
  const bool has_out = params.out.data != nullptr;
  const MutableTokenView& sums_view = has_sums ? params.y : params.out;
  const auto sums = step_view<T>(sums_view, warp, steps, warp.first_channel);
  const auto out = step_view<T>(params.out, warp, steps, warp.first_channel);
  const auto z_view = step_view<T>(params.z, warp, steps, warp.first_channel);
  for_each_item<Form>(warp, steps, [&](int step, int channel) {
    float y = shared.items[step][channel].x;
    if (phase == ForwardPhase::kSecondHalf) {
      y += to_float(*sums.at(step, channel));
    }
    if (!finishes(phase) || has_sums) {
      *sums.at(step, channel) = from_float<T>(y);
    }
    if (!finishes(phase) || !has_out) {
      return;
    }
    y *= params.scale;
    if (is_gated) {
      const float z = to_float(*z_view.at(step, channel));
      y *= z * scan_sigmoid<T>(z);
    }
    *out.at(step, channel) = from_float<T>(y);
  });
}

/// Steps [begin, end) of this warp's walk through its chunk.
template <typename Form>
__device__ __forceinline__ void run_steps(
    const ScanParams& params,
    const ScanWarp& warp,
    ScanLane<Form>& lane,
    RowRange range,
    ForwardPhase phase) {
  auto& shared = block_shared<typename Form::Shared>()[threadIdx.x / kWarpSize];
  const float* D_of = params.direction[warp.direction].D;
  const float D =
      D_of == nullptr || !lane.is_inside ? 0.0F : D_of[warp.first_channel + lane.channel];
  const int end = static_cast<int>(range.end);
  for (int begin = static_cast<int>(range.begin); begin < end; begin += kWarpTokens) {
    const ScanSteps steps{warp.token(begin), warp.reversed ? -1 : 1, min(end - begin, kWarpTokens)};
    stage_items<Form>(params, warp, steps, shared);
    stage_bc<Form>(params, warp, steps, shared.bc[0][0]);
    __syncwarp();
#pragma unroll 2
    for (int i = 0; i < steps.count; ++i) walk_token<Form>(lane, D, i, shared);
    __syncwarp();
    write_tokens<Form>(params, warp, steps, shared, phase);
    __syncwarp();
  }
}

/// Steps of the first half of a pair's walk: the middle token is in the first direction's.
__device__ inline int first_half(const ScanWarp& warp) {
  return (warp.num_tokens() + 1 - warp.direction) / 2;
}

// Eight blocks with 128 registers a thread serve a lane with all its states better than twelve with
// 80.
template <typename Form>
__global__ void __launch_bounds__(kMaxDirections* kWarpSize, Form::kChannelLanes == 1 ? 8 : 10)
    scan_forward_kernel(ScanParams params, ScanSplit split) {
  const ScanWarp warp = locate_warp<int64_t>(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  lane.enter(params, warp, split);
  const bool is_pair = params.num_directions == 2;
  const int count = warp.num_tokens();
  const int half = is_pair ? first_half(warp) : 0;
  ForwardPhase phase = is_pair ? ForwardPhase::kFirstHalf : ForwardPhase::kOnly;
  for (int begin = 0; begin < count;) {
    const int end = phase == ForwardPhase::kFirstHalf ? half : count;
    run_steps<Form>(params, warp, lane, {begin, end}, phase);
    if (phase == ForwardPhase::kFirstHalf) {
      __syncthreads();  // the sums of the first halves are in memory
      phase = ForwardPhase::kSecondHalf;
    }
    begin = end;
  }
  lane.leave(params, warp, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
