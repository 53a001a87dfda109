// How a warp of the scan's forward works: on 32 / kLanes channels of one sample in one direction,
// all by itself. It brings 16 tokens at a time into shared memory, walks them, and carries the
// results out the same way; no other warp waits for it.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_math.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kWarpTokens = 16;

/// A sequence cut into chunks that are walked side by side, for scans with few rows.
struct ScanSplit {
  int64_t chunk = 0;  // tokens of a chunk
  int64_t num_chunks = 1;
  /// (directions, batch, chunks, d_inner, d_state): the state that enters each chunk in the order
  /// of the walk; null: 0 everywhere.
  float* states = nullptr;
  float* sum_dt = nullptr;  // (directions, batch, chunks, d_inner): sum of dt over each chunk
};

/// How a lane holds a channel: kStates of its states, the rest in kLanes - 1 neighbouring lanes.
/// kPlain, known when the kernel is compiled, is the model's own case: gate, softplus and bias are
/// there, d_state is kStates * kLanes, every 16 bytes of a row are aligned. With kWarps of 2 a
/// second warp helps in each walk.
template <typename T, int kStates, int kLanes, bool kPlain = false, int kWarps = 1>
struct ScanForm {
  using Storage = T;
  static constexpr bool kIsPlain = kPlain;
  static constexpr int kLaneStates = kStates;
  static constexpr int kChannelLanes = kLanes;
  static constexpr int kChannels = kWarpSize / kLanes;
  static constexpr int kPadded = kStates * kLanes;  // states with those that only fill up
  static constexpr int kWalkWarps = kWarps;

  /// One warp's shared memory.
  struct Shared {
    float2 items[kWarpTokens][kChannels];  // (dt, u) of a token; after its walk, x is y
    float bc[kWarpTokens][2][kPadded];     // B, C
  };
};

/// Where a warp works.
struct ScanWarp {
  int64_t batch;
  int64_t chunk;
  int64_t begin;  // tokens of the chunk
  int64_t end;
  int64_t group;
  int64_t first_channel;
  int num_channels;  // of the tile; less than its width in the last tile of a group
  int direction;
  bool reversed;

  __device__ int num_tokens() const { return static_cast<int>(end - begin); }
  /// Token of a step of this direction's walk through the chunk.
  __device__ int64_t token(int step) const { return reversed ? end - 1 - step : begin + step; }
  /// True for the chunk that ends the walk.
  __device__ bool is_last_chunk(const ScanSplit& split) const {
    return chunk == (reversed ? 0 : split.num_chunks - 1);
  }
  /// Row of this chunk in the arrays of a ScanSplit.
  __device__ int64_t split_row(const ScanParams& params, const ScanSplit& split) const {
    return (direction * params.batch + batch) * split.num_chunks + chunk;
  }
};

/// index: of (batch, chunk, tile), the tile fastest.
template <typename Index>
__device__ inline ScanWarp locate_walk(
    const ScanParams& params, const ScanSplit& split, int tile_width, Index index, int direction) {
  const auto num_chunks = static_cast<Index>(split.num_chunks);
  const Index tiles =
      static_cast<Index>(params.groups) * scan_tiles_per_group<Index>(params, tile_width);
  const ScanTile tile = scan_tile<Index>(params, tile_width, index % tiles);
  index /= tiles;
  ScanWarp warp;
  warp.chunk = index % num_chunks;
  warp.batch = index / num_chunks;
  warp.begin = warp.chunk * split.chunk;
  warp.end = min(warp.begin + split.chunk, params.seqlen);
  warp.group = tile.group;
  warp.first_channel = tile.first;
  warp.num_channels = static_cast<int>(tile.end - tile.first);
  warp.direction = direction;
  warp.reversed = params.direction[direction].reversed;
  return warp;
}

/// A block has walk_threads threads for each of its directions; without both, directions are the
/// slowest part of its index.
template <typename Index>
__device__ inline ScanWarp locate_warp(
    const ScanParams& params,
    const ScanSplit& split,
    int tile_width,
    int walk_threads = kWarpSize) {
  const Index tiles =
      static_cast<Index>(params.groups) * scan_tiles_per_group<Index>(params, tile_width);
  const Index walks =
      static_cast<Index>(params.batch) * static_cast<Index>(split.num_chunks) * tiles;
  const int direction =
      static_cast<int>(blockIdx.x / walks) + static_cast<int>(threadIdx.x) / walk_threads;
  return locate_walk<Index>(params, split, tile_width, blockIdx.x % walks, direction);
}

/// Some consecutive steps of a walk, at most kWarpTokens.
struct ScanSteps {
  int64_t token;  // of the first
  int direction;  // +1 or -1
  int count;
};

/// A view's address of the first step and the warp's first channel, and its stride from step to
/// step.
template <typename Pointer>
struct StepView {
  Pointer first;
  int stride;

  __device__ Pointer at(int step, int channel) const { return first + step * stride + channel; }
};

template <typename T, typename View>
__device__ __forceinline__ auto step_view(
    const View& view, const ScanWarp& warp, const ScanSteps& steps, int64_t channel) {
  auto* first = scan_sample<T>(view, warp.batch) + steps.token * view.token_stride + channel;
  return StepView<decltype(first)>{first, static_cast<int>(view.token_stride) * steps.direction};
}

/// Calls f(step, channel) for this lane's share of the warp's tokens and channels.
template <typename Form, typename F>
__device__ __forceinline__ void for_each_item(const ScanWarp& warp, const ScanSteps& steps, F f) {
#pragma unroll 1  // the states stay in registers meanwhile
  for (int i = 0; i < kWarpTokens * Form::kChannels; i += kWarpSize) {
    const int index = i + static_cast<int>(threadIdx.x) % kWarpSize;
    const int step = index / Form::kChannels;
    const int channel = index % Form::kChannels;
    if (step < steps.count && channel < warp.num_channels) {
      f(step, channel);
    }
  }
}

// (dt, u) of every token and channel.
template <typename Form>
__device__ __forceinline__ void stage_items(
    const ScanParams& params,
    const ScanWarp& warp,
    const ScanSteps& steps,
    typename Form::Shared& shared) {
  using T = typename Form::Storage;
  const ScanDirection& in = params.direction[warp.direction];
  const auto u_view = step_view<T>(in.u, warp, steps, warp.first_channel);
  const auto delta_view = step_view<T>(in.delta, warp, steps, warp.first_channel);
  const float* bias_of = in.delta_bias == nullptr ? nullptr : in.delta_bias + warp.first_channel;
  for_each_item<Form>(warp, steps, [&](int step, int channel) {
    const float u = to_float(*u_view.at(step, channel));
    float dt = to_float(*delta_view.at(step, channel));
    dt += bias_of == nullptr ? 0.0F : bias_of[channel];
    dt = params.delta_softplus ? scan_softplus<T>(dt) : dt;
    shared.items[step][channel] = make_float2(dt, u);
  });
}

// B and C of every token; absent states are 0.
template <typename Form>
__device__ __forceinline__ void stage_bc(
    const ScanParams& params, const ScanWarp& warp, const ScanSteps& steps, float* bc) {
  using T = typename Form::Storage;
  constexpr int kPadded = Form::kPadded;
  const ScanDirection& in = params.direction[warp.direction];
  const int64_t first_state = warp.group * params.d_state;
  const auto B = step_view<T>(in.B, warp, steps, first_state);
  const auto C = step_view<T>(in.C, warp, steps, first_state);
  const int d_state = static_cast<int>(params.d_state);
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  for (int i = lane; i < steps.count * 2 * kPadded; i += kWarpSize) {
    const int step = i / (2 * kPadded);
    const int n = i % kPadded;
    const bool is_C = i % (2 * kPadded) >= kPadded;
    bc[i] = n < d_state ? to_float(*(is_C ? C.at(step, n) : B.at(step, n))) : 0.0F;
  }
}

/// The sum of a value over the lanes of a channel, in every one of them.
template <typename Form>
__device__ __forceinline__ float sum_over_lanes(float value) {
#pragma unroll
  for (int offset = Form::kChannels; offset < kWarpSize; offset *= 2) {
    value += __shfl_xor_sync(kFullWarp, value, offset);
  }
  return value;
}

/// A lane's channel of the warp and the states it holds. Neighbouring lanes hold the same states of
/// neighbouring channels, so that they read the same B and C.
template <typename Form>
struct ScanLane {
  static constexpr int kStates = Form::kLaneStates;
  int channel;  // in the warp's tile
  int first_state;
  bool is_inside;    // the channel exists
  float A[kStates];  // times log2(e); 0 for absent states
  float h[kStates];

  __device__ ScanLane(const ScanParams& params, const ScanWarp& warp) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    channel = lane % Form::kChannels;
    first_state = lane / Form::kChannels * kStates;
    is_inside = channel < warp.num_channels;
    load(params, warp, params.direction[warp.direction].A, A);
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      A[n] *= kLog2E;
      h[n] = 0.0F;
    }
  }

  /// Takes the states that enter the warp's chunk, and leaves those that end the walk where they
  /// are wanted.
  __device__ void enter(const ScanParams& params, const ScanWarp& warp, const ScanSplit& split) {
    if (split.states != nullptr) {
      const int64_t entries = params.d_inner * params.d_state;
      load(params, warp, split.states + warp.split_row(params, split) * entries, h);
    }
  }
  __device__ void leave(
      const ScanParams& params, const ScanWarp& warp, const ScanSplit& split) const {
    float* last_state = params.direction[warp.direction].last_state;
    if (last_state != nullptr && warp.is_last_chunk(split)) {
      store_h(params, warp, last_state + warp.batch * params.d_inner * params.d_state);
    }
  }

  /// Leaves what a chunk made of a state of 0, and the sum of dt over it.
  __device__ void leave_chunk(
      const ScanParams& params, const ScanWarp& warp, const ScanSplit& split, float sum_dt) const {
    const int64_t row = warp.split_row(params, split);
    store_h(params, warp, split.states + row * params.d_inner * params.d_state);
    if (is_inside && first_state == 0) {
      split.sum_dt[row * params.d_inner + warp.first_channel + channel] = sum_dt;
    }
  }

  /// From and to an array (d_inner, d_state).
  __device__ void load(
      const ScanParams& params, const ScanWarp& warp, const float* from, float (&to)[kStates]) {
    const int64_t offset = (warp.first_channel + channel) * params.d_state + first_state;
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      to[n] = is_inside && first_state + n < params.d_state ? from[offset + n] : 0.0F;
    }
  }
  __device__ void store_h(const ScanParams& params, const ScanWarp& warp, float* to) const {
    const int64_t offset = (warp.first_channel + channel) * params.d_state + first_state;
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      if (is_inside && first_state + n < params.d_state) {
        to[offset + n] = h[n];
      }
    }
  }
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
