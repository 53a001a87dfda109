// The forward of the selective scan. A block holds a tile of channels of one sample, with a warp
// for each direction. Both directions walk at once, from opposite ends: up to the middle each
// leaves its y in memory, past it each adds the other's, gates the sum once and writes the output.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_warp.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

enum class ForwardPhase { kOnly, kFirstHalf, kSecondHalf };

/// One step of a lane's states; returns the lane's share of sum_n C h.
template <typename Form>
__device__ __forceinline__ float advance(
    ScanLane<Form>& lane, float dt, float input, const float* bc) {
  constexpr int kStates = Form::kLaneStates;
  float y[2] = {0.0F, 0.0F};
#pragma unroll
  for (int n = 0; n < kStates; n += 4) {
    const float4 b = *reinterpret_cast<const float4*>(bc + n);
    const float4 c = *reinterpret_cast<const float4*>(bc + Form::kPadded + n);
    const float b4[4] = {b.x, b.y, b.z, b.w};
    const float c4[4] = {c.x, c.y, c.z, c.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float decay = fast_exp2(dt * lane.A[n + i]);
      lane.h[n + i] = fmaf(decay, lane.h[n + i], input * b4[i]);
      y[i % 2] = fmaf(c4[i], lane.h[n + i], y[i % 2]);
    }
  }
  return y[0] + y[1];
}

template <typename Form>
__device__ __forceinline__ void walk_token(
    ScanLane<Form>& lane, float D, int step, int parity, typename Form::Shared& shared) {
  // The slot depends on the step's parity alone where a lane holds a whole channel.
  const int slot = Form::slot(Form::kChannels == 32 ? parity : step, lane.channel);
  float2& item = shared.items[step][slot];
  const float dt = item.x;
  const float u = item.y;
  float y = advance(lane, dt, dt * u, &shared.bc[step][0][lane.first_state]);
#pragma unroll
  for (int offset = 1; offset < Form::kChannelLanes; offset *= 2) {
    y += __shfl_xor_sync(kFullWarp, y, offset);
  }
  if (lane.first_state == 0) {
    item.x = fmaf(D, u, y);
  }
}

template <typename Form>
__device__ __forceinline__ void walk_tokens(
    ScanLane<Form>& lane, float D, int count, typename Form::Shared& shared) {
  int i = 0;
#pragma unroll 1
  for (; i + 2 <= count; i += 2) {
    walk_token<Form>(lane, D, i, 0, shared);
    walk_token<Form>(lane, D, i + 1, 1, shared);
  }
  if (i < count) {
    walk_token<Form>(lane, D, i, 0, shared);
  }
}

// y of a pack of channels as the walk left it.
template <typename Form>
__device__ __forceinline__ void recall_y(
    const typename Form::Shared& shared, int step, int channel, float (&y)[Form::kChannelPack]) {
  if constexpr (Form::kChannelPack % 2 == 0) {
#pragma unroll
    for (int i = 0; i < Form::kChannelPack; i += 2) {
      const float4 pair =
          *reinterpret_cast<const float4*>(&shared.items[step][Form::slot(step, channel + i)]);
      y[i] = pair.x;
      y[i + 1] = pair.z;
    }
  } else {
    y[0] = shared.items[step][Form::slot(step, channel)].x;
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
  constexpr int kPack = Form::kChannelPack;
  const bool finishes = phase != ForwardPhase::kFirstHalf;
  const bool is_gated = Form::kIsPlain || params.z.data != nullptr;
  // Without a place for the sums the first half lies in the output until the second overwrites it.
  const bool has_sums = params.y.data != nullptr;
  const bool has_out = params.out.data != nullptr;
  const MutableTokenView& sums_view = has_sums ? params.y : params.out;
  const auto sums = step_view<T>(sums_view, warp, steps, warp.first_channel);
  const auto out = step_view<T>(params.out, warp, steps, warp.first_channel);
  const auto z_view = step_view<T>(params.z, warp, steps, warp.first_channel);
  for_each_pack<Form>(warp, steps, [&](int step, int channel) {
    float y[kPack];
    float z[kPack] = {};
    float other[kPack] = {};
    if (finishes && is_gated) {
      load_pack<kPack>(z_view.at(step, channel), z);
    }
    if (phase == ForwardPhase::kSecondHalf) {
      load_pack<kPack>(sums.at(step, channel), other);
    }
    recall_y<Form>(shared, step, channel, y);
#pragma unroll
    for (int i = 0; i < kPack; ++i) y[i] += other[i];
    if (!finishes || has_sums) {
      store_pack<kPack>(y, sums.at(step, channel));
    }
    if (!finishes || !has_out) {
      return;
    }
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      y[i] *= params.scale;
      y[i] *= is_gated ? z[i] * scan_sigmoid<T>(z[i]) : 1.0F;
    }
    store_pack<kPack>(y, out.at(step, channel));
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
    if constexpr (Form::kIsPlain) {
      const int next = begin + kWarpTokens;
      prefetch_items<Form>(
          params,
          warp,
          {warp.token(next), steps.direction, min(end - next, kWarpTokens)},
          phase != ForwardPhase::kFirstHalf);
    }
    __syncwarp();
    walk_tokens<Form>(lane, D, steps.count, shared);
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
  const ScanWarp warp = locate_warp(params, split, Form::kChannels);
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
