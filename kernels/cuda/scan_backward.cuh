// The backward of the selective scan in one direction. A block holds kTileChannels channels of one
// sample, a warp eight of them.
//
// The walk there keeps the state that enters each tile of 8 tokens. The walk back takes the tiles
// from the last to the first: it walks a tile there once more with decays and decayed states in
// registers, then back. The warps' sums for dB and dC meet in shared memory after each tile.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_backward_lane.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// Where there are several groups of states, adds the sums of those walked before, and keeps the new
// sums for those to come.
__device__ __forceinline__ void add_state_groups(
    const ScanBackwardParams& params,
    const ScanBackwardPlan& plan,
    const ScanBlock& block,
    int step,
    const BackwardLane& lane,
    float2& sums) {
  const int64_t channel = block.tile.first + lane.channel;
  if (plan.state_sums == nullptr || step >= block.num_tokens() || channel >= block.tile.end) {
    return;
  }
  const int64_t sample = block.direction * params.forward.batch + block.batch;
  const int64_t row = sample * params.forward.seqlen + block.token(step);
  float2& stored = plan.state_sums[row * params.forward.d_inner + channel];
  if (block.state_group > 0) {
    sums.x += stored.x;
    sums.y += stored.y;
  }
  stored = sums;
}

/// du and ddelta of the two tokens of the tile that this lane finishes, left in the items. Tokens
/// and channels that do not exist have items of 0 and add nothing.
template <typename Form>
__device__ __forceinline__ void finish_tokens(
    const ScanBackwardParams& params,
    const ScanBackwardPlan& plan,
    const ScanBlock& block,
    int tile,
    BackwardLane& lane,
    const TokenSums& sums) {
  using T = typename Form::Storage;
  float gB[2];
  float gA[2];
  sum_over_lanes(sums.gB, lane.sub, gB);
  sum_over_lanes(sums.gA, lane.sub, gA);
  const bool is_last_group = Form::kIsPlain || block.state_group + 1 == plan.state_groups;
  const bool has_softplus = Form::kIsPlain || params.forward.delta_softplus;
  __syncwarp();  // all lanes have read the items that are overwritten now
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    ScanItem& item = backward_shared().items[tile % 2][2 * lane.sub + i][lane.channel];
    float2 total = make_float2(gB[i], gA[i]);
    if (!Form::kIsPlain) {
      add_state_groups(params, plan, block, tile * kTileTokens + 2 * lane.sub + i, lane, total);
    }
    const ScanItem token = item;
    const float ddt = fmaf(token.w, total.x, total.y * kLn2);
    const float ddelta = has_softplus ? ddt * scan_softplus_slope<T>(token.x) : ddt;
    if (is_last_group) {
      lane.dD = fmaf(token.z, token.w, lane.dD);
      lane.dbias += ddelta;
    }
    const float du = fmaf(lane.D, token.z, token.x * total.x);
    *reinterpret_cast<float2*>(&item) = make_float2(du, ddelta);
  }
}

/// Adds the warps' fragments of a tile and writes them as this block's partial sums. Two warps do
/// it, others for each tile.
__device__ __forceinline__ void write_partial_sums(int tile, float4* to) {
  const int index = static_cast<int>(threadIdx.x) - tile % (kBackwardWarps / 2) * kTilePartials;
  if (index < 0 || index >= kTilePartials) {
    return;
  }
  float4 sum = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
#pragma unroll
  for (int i = 0; i < 2 * kBackwardWarps; ++i) {
    const float4 part = backward_shared().partial[i / 2][index / 8 * 16 + i % 2 * 8 + index % 8];
    sum.x += part.x;
    sum.y += part.y;
    sum.z += part.z;
    sum.w += part.w;
  }
  to[index] = sum;
}

/// Walks the tiles of a segment and keeps the state that enters each in shared memory. Loads run
/// two tiles ahead, since one tile's work is too short to hide them; two tiles a turn, since
/// handing loads over from one name to another would wait for them.
template <typename Form>
__device__ __forceinline__ void walk_there_all(
    const ScanTileMover<Form>& mover, int num_tiles, BackwardLane& lane) {
  using T = typename Form::Storage;
  state_entering(0) = lane.packed_h();
  FetchedTile<T> even = mover.fetch(0, /*for_gradients=*/false);
  FetchedTile<T> odd = mover.fetch(1, /*for_gradients=*/false);
  for (int tile = 0; tile + 1 < num_tiles; tile += 2) {
    mover.stage(even, 0, /*for_gradients=*/false);
    even = mover.fetch(tile + 2, /*for_gradients=*/false);
    __syncthreads();
    walk_there(lane, 0);
    state_entering(tile + 1) = lane.packed_h();
    if (tile + 2 >= num_tiles) {
      break;
    }
    mover.stage(odd, 1, /*for_gradients=*/false);
    odd = mover.fetch(tile + 3, /*for_gradients=*/false);
    __syncthreads();
    walk_there(lane, 1);
    state_entering(tile + 2) = lane.packed_h();
  }
}

/// The block's channels of one segment, there and back, for one group of states.
template <typename Form>
__device__ __forceinline__ void walk_segment(
    const ScanBackwardParams& params,
    const ScanBackwardPlan& plan,
    const ScanBlock& block,
    BackwardLane& lane,
    float4* partial_sums) {
  using T = typename Form::Storage;
  const ScanTileMover<Form> mover(params, plan, block);
  const int num_tiles = block.num_tiles();
  const bool is_last_group = Form::kIsPlain || block.state_group + 1 == plan.state_groups;
  __syncthreads();  // the segment before this one is done with shared memory
  FetchedTile<T> next = mover.fetch(num_tiles - 1, /*for_gradients=*/true);
  walk_there_all<Form>(mover, num_tiles, lane);
  for (int tile = num_tiles - 1; tile >= 0; --tile) {
    mover.stage(next, tile % 2, /*for_gradients=*/true);
    next = mover.fetch(max(tile - 1, 0), /*for_gradients=*/true);
    lane.unpack_h(state_entering(tile));
    __syncthreads();
    const TokenSums sums = walk_back<T>(lane, tile % 2);
    finish_tokens<Form>(params, plan, block, tile, lane, sums);
    __syncthreads();
    if (is_last_group) {
      mover.write_gradients(tile, tile % 2);
    }
    write_partial_sums(tile, partial_sums + (block.segment * kSegmentTiles + tile) * kTilePartials);
  }
}

/// A segment's place and, in lane.h, the state that enters it.
__device__ inline void enter_segment(
    const ScanBackwardParams& params,
    const ScanBackwardPlan& plan,
    int64_t index,
    ScanBlock& block,
    BackwardLane& lane) {
  const ScanParams& forward = params.forward;
  const ScanSplit& split = plan.split;
  block.segment = block.reversed ? index : split.num_chunks - 1 - index;
  block.begin = block.segment * split.chunk;
  block.end = min(block.begin + split.chunk, forward.seqlen);
  const int64_t channel = block.tile.first + lane.channel;
  const int64_t sample = block.direction * forward.batch + block.batch;
  const int64_t row = (sample * split.num_chunks + block.segment) * forward.d_inner + channel;
  for (int n = 0; n < kLaneStates; ++n) {
    const int64_t state = block.state_group * kGroupStates + 4 * lane.sub + n;
    const bool exists =
        split.states != nullptr && channel < block.tile.end && state < forward.d_state;
    lane.h[n] = exists ? split.states[row * forward.d_state + state] : 0.0F;
  }
}

__device__ inline void start_state_group(
    const ScanParams& params, const ScanBlock& block, BackwardLane& lane) {
  const float* A = params.direction[block.direction].A;
  const int64_t channel = block.tile.first + lane.channel;
  for (int n = 0; n < kLaneStates; ++n) {
    const int64_t state = block.state_group * kGroupStates + 4 * lane.sub + n;
    const bool exists = channel < block.tile.end && state < params.d_state;
    lane.A[n] = exists ? A[channel * params.d_state + state] * kLog2E : 0.0F;
    lane.dA[n] = 0.0F;
    lane.carried[n] = 0.0F;
  }
}

__device__ inline void write_dA(
    const ScanParams& params,
    const ScanBackwardPlan& plan,
    const ScanBlock& block,
    const BackwardLane& lane) {
  const int64_t channel = block.tile.first + lane.channel;
  const int64_t sample = block.direction * params.batch + block.batch;
  for (int n = 0; n < kLaneStates; ++n) {
    const int64_t state = block.state_group * kGroupStates + 4 * lane.sub + n;
    if (channel < block.tile.end && state < params.d_state) {
      plan.dA_partial[(sample * params.d_inner + channel) * params.d_state + state] = lane.dA[n];
    }
  }
}

__device__ inline void write_channel_sums(
    const ScanParams& params,
    const ScanBackwardPlan& plan,
    const ScanBlock& block,
    BackwardLane& lane) {
  for (int offset = 4; offset <= 8; offset *= 2) {
    lane.dD += __shfl_xor_sync(kFullWarp, lane.dD, offset);
    lane.dbias += __shfl_xor_sync(kFullWarp, lane.dbias, offset);
  }
  const int64_t channel = block.tile.first + lane.channel;
  if (lane.sub == 0 && channel < block.tile.end) {
    const int64_t sample = block.direction * params.batch + block.batch;
    plan.dD_partial[sample * params.d_inner + channel] = lane.dD;
    plan.dbias_partial[sample * params.d_inner + channel] = lane.dbias;
  }
}

/// Blocks are (direction, batch, channel tile), the tile fastest.
template <typename Form>
__global__ void __launch_bounds__(kBackwardThreads, 3)
    scan_backward_kernel(ScanBackwardParams params, ScanBackwardPlan plan) {
  const ScanParams& forward = params.forward;
  ScanBlock block;
  int64_t index = blockIdx.x;
  block.channel_tile = index % plan.channel_tiles;
  index /= plan.channel_tiles;
  block.batch = index % forward.batch;
  block.direction = static_cast<int>(index / forward.batch);
  block.tile = scan_tile(forward, kTileChannels, block.channel_tile);
  block.reversed = forward.direction[block.direction].reversed;
  BackwardLane lane = make_backward_lane();
  const float* D = forward.direction[block.direction].D;
  const int64_t channel = block.tile.first + lane.channel;
  lane.D = D == nullptr || channel >= block.tile.end ? 0.0F : D[channel];
  float4* partial_sums =
      plan.bc_partial + plan.bc_row(forward, block.direction, block.batch, block.channel_tile);
  for (block.state_group = 0; block.state_group < plan.state_groups; ++block.state_group) {
    start_state_group(forward, block, lane);
    for (int64_t i = 0; i < plan.split.num_chunks; ++i) {
      enter_segment(params, plan, i, block, lane);
      walk_segment<Form>(params, plan, block, lane, partial_sums);
    }
    write_dA(forward, plan, block, lane);
    partial_sums += plan.token_tiles * kTilePartials;
  }
  write_channel_sums(forward, plan, block, lane);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
