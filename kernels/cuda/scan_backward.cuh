// The backward of the selective scan in one direction. A warp, which is a block of its own, takes
// the channels of one sample's tile after another and waits for no other.
//
// The walk there keeps the state that enters each tile of 8 tokens in the workspace. The walk back
// takes the tiles from the last to the first and in each one octet of channels after another: it
// walks there once more with decays and decayed states in registers, then back. While it does, the
// next tile is on its way into shared memory.
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
    int channel,
    float2& sums) {
  if (plan.state_sums == nullptr || step >= block.num_tokens() || channel >= block.num_channels) {
    return;
  }
  const int64_t row = block.sample(params.forward) * params.forward.seqlen + block.token(step);
  float2& stored = plan.state_sums[row * params.forward.d_inner + block.tile.first + channel];
  if (block.state_group > 0) {
    sums.x += stored.x;
    sums.y += stored.y;
  }
  stored = sums;
}

/// du and ddelta of the two tokens of the tile that this lane finishes, left in shared memory.
/// Tokens and channels that do not exist have zeros and add nothing.
template <typename Form>
__device__ __forceinline__ void finish_tokens(
    const ScanBackwardParams& params,
    const ScanBackwardPlan& plan,
    const ScanBlock& block,
    int tile,
    const LanePlace& place,
    int octet) {
  using T = typename Form::Storage;
  auto& shared = backward_shared<Form>();
  const int channel = octet * kOctetChannels + place.channel;
  const bool is_last_group = Form::kIsPlain || block.state_group + 1 == plan.state_groups;
  const bool has_softplus = Form::kIsPlain || params.forward.delta_softplus;
  const float D = shared.D[channel];
  float2 sums[2];
  add_lanes<Form>(place, octet % Form::kWalked, sums);
  float2 channel_sums = shared.octets[octet].sums[lane_index()];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int row = 2 * place.sub + i;
    if (!Form::kIsPlain) {
      add_state_groups(params, plan, block, tile * kTileTokens + row, channel, sums[i]);
    }
    const float2 item = shared.back[row][shared.slot(channel)];
    const float dt = item.x;
    const float dy = item.y;
    const float u = shared.u[row][channel];
    const float ddt = fmaf(u, sums[i].x, sums[i].y * kLn2);
    const float ddelta = has_softplus ? ddt * scan_softplus_slope<T>(dt) : ddt;
    if (!is_last_group) {
      continue;
    }
    channel_sums.x = fmaf(dy, u, channel_sums.x);
    channel_sums.y += ddelta;
    const float du[1] = {fmaf(D, dy, dt * sums[i].x)};
    const float ddelta_value[1] = {ddelta};
    store_pack<1>(du, &shared.du[row][channel]);
    store_pack<1>(ddelta_value, &shared.ddelta[row][channel]);
  }
  shared.octets[octet].sums[lane_index()] = channel_sums;
}

/// A warp's walks through the segments of one sample.
template <typename Form>
class SegmentWalker {
 public:
  __device__ SegmentWalker(
      const ScanBackwardParams& params, const ScanBackwardPlan& plan, ScanBlock& block)
      : params_(params),
        plan_(plan),
        block_(block),
        num_octets_((block.num_channels + kOctetChannels - 1) / kOctetChannels),
        entering_(
            plan.entering + blockIdx.x * plan.segment_tiles * Form::kOctets * kWarpSize +
            lane_index()) {}

  /// There and back, for one group of states.
  __device__ __forceinline__ void walk(float4* partial_sums) {
    __syncwarp();  // the segment before this one is done with shared memory
    const ScanTileMover<Form> mover(params_, block_);
    const int num_tiles = block_.num_tiles();
    mover.fetch(0, /*for_gradients=*/num_tiles == 1);
    walk_there(mover, num_tiles);
    for (int tile = num_tiles - 1; tile >= 0; --tile) {
      mover.stage(tile, /*for_gradients=*/true);
      if (tile > 0) mover.fetch(tile - 1, /*for_gradients=*/true);
      walk_tile_back(tile);
      if (Form::kIsPlain || block_.state_group + 1 == plan_.state_groups) {
        mover.write_gradients(tile);
      }
      const int64_t row = block_.segment * kSegmentTiles + tile;
      write_partial_sums(backward_shared<Form>().fragments, partial_sums + row * kTilePartials);
    }
  }

 private:
  // Keeps the states that enter the tiles; the last tile itself is not walked.
  __device__ __forceinline__ void walk_there(const ScanTileMover<Form>& mover, int num_tiles) {
    WalkThere<Form> there;
    enter_segment(there);
    for (int tile = 0;; ++tile) {
      const bool is_last = tile + 1 == num_tiles;
#pragma unroll
      for (int o = 0; o < Form::kOctets; ++o) {
        if (is_last) {
          backward_shared<Form>().entering[o][lane_index()] = packed(there.h[o]);
        } else {
          *entering(tile, o) = packed(there.h[o]);
        }
      }
      if (is_last) {
        return;
      }
      mover.stage(tile, /*for_gradients=*/false);
      mover.fetch(tile + 1, /*for_gradients=*/tile + 2 == num_tiles);
      there.walk(place_);
    }
  }

  // One staged tile there and back; on return the fragments of dB and dC are in shared memory.
  __device__ __forceinline__ void walk_tile_back(int tile) {
    auto& shared = backward_shared<Form>();
    StateSums dB;
    StateSums dC;
#pragma unroll 1
    for (int first = 0; first < num_octets_; first += Form::kWalked) {
      WalkBack<Form> walk;
      int slot[Form::kWalked];
#pragma unroll
      for (int o = 0; o < Form::kWalked; ++o) {
        float4& enters = shared.entering[first + o][lane_index()];
        slot[o] = shared.slot((first + o) * kOctetChannels + place_.channel);
        unpack(enters, walk.h[o]);
        unpack(shared.octets[first + o].A[lane_index()], walk.A[o]);
        if (tile > 0) copy_async<16>(&enters, entering(tile - 1, first + o), true);
      }
      walk.walk_there(place_, slot, dC);
      __syncwarp();  // the sums of the octets before have been read
#pragma unroll
      for (int o = 0; o < Form::kWalked; ++o) {
        unpack(shared.octets[first + o].dA[lane_index()], walk.dA[o]);
        unpack(shared.octets[first + o].carried[lane_index()], walk.carried[o]);
      }
      walk.walk_back(place_, slot, dB);
#pragma unroll
      for (int o = 0; o < Form::kWalked; ++o) {
        shared.octets[first + o].dA[lane_index()] = packed(walk.dA[o]);
        shared.octets[first + o].carried[lane_index()] = packed(walk.carried[o]);
      }
      __syncwarp();
#pragma unroll
      for (int o = 0; o < Form::kWalked; ++o) {
        finish_tokens<Form>(params_, plan_, block_, tile, place_, first + o);
      }
    }
    __syncwarp();  // all lanes are done with what the fragments overwrite
    dB.leave(shared.fragments, 0);
    dC.leave(shared.fragments, 1);
    __syncwarp();
  }

  // In the workspace: this lane's states as they enter a tile.
  __device__ __forceinline__ float4* entering(int tile, int octet) const {
    return entering_ + (tile * Form::kOctets + octet) * kWarpSize;
  }

  __device__ void enter_segment(WalkThere<Form>& there) const {
    const ScanParams& forward = params_.forward;
    const float* states = plan_.split.states;
    const int64_t row = block_.sample(forward) * plan_.split.num_chunks + block_.segment;
    for (int o = 0; o < Form::kOctets; ++o) {
      unpack(backward_shared<Form>().octets[o].A[lane_index()], there.A[o]);
      const int channel = o * kOctetChannels + place_.channel;
      for (int n = 0; n < kLaneStates; ++n) {
        const int64_t state = block_.state_group * kGroupStates + 4 * place_.sub + n;
        const bool exists =
            states != nullptr && channel < block_.num_channels && state < forward.d_state;
        const int64_t at = row * forward.d_inner + block_.tile.first + channel;
        there.h[o][n] = exists ? states[at * forward.d_state + state] : 0.0F;
      }
    }
  }

  const ScanBackwardParams& params_;
  const ScanBackwardPlan& plan_;
  const ScanBlock& block_;
  const LanePlace place_;
  const int num_octets_;
  float4* const entering_;
};

/// The place of segment `index`, counted from the walk's end.
__device__ inline void place_segment(
    const ScanParams& params, const ScanSplit& split, int64_t index, ScanBlock& block) {
  block.segment = block.reversed ? index : split.num_chunks - 1 - index;
  block.begin = block.segment * split.chunk;
  block.end = min(block.begin + split.chunk, params.seqlen);
}

template <typename Form>
__device__ void start_state_group(const ScanParams& params, const ScanBlock& block) {
  const LanePlace place;
  const float* A_of = params.direction[block.direction].A;
  for (int o = 0; o < Form::kOctets; ++o) {
    const int channel = o * kOctetChannels + place.channel;
    float A[kLaneStates];
    for (int n = 0; n < kLaneStates; ++n) {
      const int64_t state = block.state_group * kGroupStates + 4 * place.sub + n;
      const bool exists = channel < block.num_channels && state < params.d_state;
      A[n] = exists ? A_of[(block.tile.first + channel) * params.d_state + state] * kLog2E : 0.0F;
    }
    OctetState& octet = backward_shared<Form>().octets[o];
    octet.A[lane_index()] = packed(A);
    octet.dA[lane_index()] = octet.carried[lane_index()] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
  }
}

template <typename Form>
__device__ void write_dA(
    const ScanParams& params, const ScanBackwardPlan& plan, const ScanBlock& block) {
  const LanePlace place;
  for (int o = 0; o < Form::kOctets; ++o) {
    const int channel = o * kOctetChannels + place.channel;
    const int64_t row = block.sample(params) * params.d_inner + block.tile.first + channel;
    float dA[kLaneStates];
    unpack(backward_shared<Form>().octets[o].dA[lane_index()], dA);
    for (int n = 0; n < kLaneStates; ++n) {
      const int64_t state = block.state_group * kGroupStates + 4 * place.sub + n;
      if (channel < block.num_channels && state < params.d_state) {
        plan.dA_partial[row * params.d_state + state] = dA[n];
      }
    }
  }
}

/// Brings D and the bias of the tile's channels into shared memory and clears the sums.
template <typename Form>
__device__ void start_tile(const ScanParams& params, const ScanBlock& block) {
  auto& shared = backward_shared<Form>();
  const ScanDirection& in = params.direction[block.direction];
  __syncwarp();  // the tile before this one is done with shared memory
  for (int i = lane_index(); i < Form::kChannels; i += kWarpSize) {
    const bool exists = i < block.num_channels;
    shared.D[i] = in.D != nullptr && exists ? in.D[block.tile.first + i] : 0.0F;
    shared.bias[i] =
        in.delta_bias != nullptr && exists ? in.delta_bias[block.tile.first + i] : 0.0F;
  }
  for (OctetState& octet : shared.octets) octet.sums[lane_index()] = make_float2(0.0F, 0.0F);
}

template <typename Form>
__device__ void write_channel_sums(
    const ScanParams& params, const ScanBackwardPlan& plan, const ScanBlock& block) {
  const LanePlace place;
  for (int o = 0; o < Form::kOctets; ++o) {
    float2 sums = backward_shared<Form>().octets[o].sums[lane_index()];
    for (int offset = 4; offset <= 8; offset *= 2) {
      sums.x += __shfl_xor_sync(kFullWarp, sums.x, offset);
      sums.y += __shfl_xor_sync(kFullWarp, sums.y, offset);
    }
    const int channel = o * kOctetChannels + place.channel;
    if (place.sub == 0 && channel < block.num_channels) {
      const int64_t at = block.sample(params) * params.d_inner + block.tile.first + channel;
      plan.dD_partial[at] = sums.x;
      plan.dbias_partial[at] = sums.y;
    }
  }
}

/// Tile `index` of (direction, batch, channel tile), the last fastest.
__device__ inline ScanBlock place_tile(
    const ScanParams& params, const ScanBackwardPlan& plan, int tile_width, int64_t index) {
  ScanBlock block;
  block.channel_tile = index % plan.channel_tiles;
  index /= plan.channel_tiles;
  block.batch = index % params.batch;
  block.direction = static_cast<int>(index / params.batch);
  block.tile = scan_tile(params, tile_width, block.channel_tile);
  block.num_channels = static_cast<int>(block.tile.end - block.tile.first);
  block.reversed = params.direction[block.direction].reversed;
  return block;
}

/// Blocks are warps that take every gridDim-th tile.
template <typename Form>
__global__ void __launch_bounds__(kWarpSize, Form::kResidentWarps)
    scan_backward_kernel(ScanBackwardParams params, ScanBackwardPlan plan) {
  const ScanParams& forward = params.forward;
  const int64_t num_tiles = forward.num_directions * forward.batch * plan.channel_tiles;
  for (int64_t tile = blockIdx.x; tile < num_tiles; tile += gridDim.x) {
    ScanBlock block = place_tile(forward, plan, Form::kChannels, tile);
    start_tile<Form>(forward, block);
    float4* partial_sums =
        plan.bc_partial + plan.bc_row(forward, block.direction, block.batch, block.channel_tile);
    for (block.state_group = 0; block.state_group < plan.state_groups; ++block.state_group) {
      start_state_group<Form>(forward, block);
      for (int64_t i = 0; i < plan.split.num_chunks; ++i) {
        place_segment(forward, plan.split, i, block);
        SegmentWalker<Form>(params, plan, block).walk(partial_sums);
      }
      write_dA<Form>(forward, plan, block);
      partial_sums += plan.token_tiles * kTilePartials;
    }
    write_channel_sums<Form>(forward, plan, block);
  }
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
