// The backward of the selective scan in one direction. A warp, which is a block of its own, takes
// segments of one sample's tokens in 32 channels one after another, a channel a lane, and waits for
// no other. Where there are several segments, a first kernel finds the gradients that each leaves
// of 0, from which scan_carry_kernel makes those that enter, as it does with the states.
//
// The walk there keeps the states that enter each tile of 8 tokens in the workspace; it falls away
// where the forward kept them. The walk back takes the tiles from the last to the first and in each
// four states after another: it walks there once more with decays and decayed states in registers,
// then back. Sums over states stay in the lane; sums over channels, which dB and dC need, are made
// by the tensor cores. Meanwhile the next tile is on its way into shared memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_backward_lane.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// Calls f(entry, n) for the states of the lane's channel that exist: entry in arrays (d_inner,
/// d_state), n of the group.
template <typename F>
__device__ __forceinline__ void for_each_state(
    const ScanParams& params, const ScanBlock& block, F f) {
  const int64_t first = block.state_group * kGroupStates;
  const int64_t entry = (block.tile.first + lane_index()) * params.d_state + first;
#pragma unroll
  for (int n = 0; n < kGroupStates; ++n) {
    if (lane_index() < block.num_channels && first + n < params.d_state) {
      f(entry + n, n);
    }
  }
}

/// The lane's states from an array (d_inner, d_state), or 0 from null.
__device__ inline void load_states(
    const ScanParams& params,
    const ScanBlock& block,
    const float* from,
    float (&to)[kPasses][kPassStates]) {
#pragma unroll
  for (int n = 0; n < kGroupStates; ++n) to[n / kPassStates][n % kPassStates] = 0.0F;
  if (from == nullptr) {
    return;
  }
  for_each_state(params, block, [&](int64_t entry, int n) {
    to[n / kPassStates][n % kPassStates] = from[entry];
  });
}

__device__ inline void store_states(
    const ScanParams& params,
    const ScanBlock& block,
    const float (&from)[kPasses][kPassStates],
    float* to) {
  for_each_state(params, block, [&](int64_t entry, int n) {
    to[entry] = from[n / kPassStates][n % kPassStates];
  });
}

__device__ inline void load_A(
    const ScanParams& params, const ScanBlock& block, float (&A)[kPasses][kPassStates]) {
  load_states(params, block, params.direction[block.direction].A, A);
#pragma unroll
  for (int n = 0; n < kGroupStates; ++n) A[n / kPassStates][n % kPassStates] *= kLog2E;
}

/// A warp's walks through a segment.
template <typename Form>
class SegmentWalker {
  using T = typename Form::Storage;

 public:
  __device__ SegmentWalker(
      const ScanBackwardParams& params,
      const ScanBackwardPlan& plan,
      const ScanBlock& block,
      LaneChannel& channel)
      : params_(params),
        plan_(plan),
        block_(block),
        channel_(channel),
        entering_(
            plan.entering + blockIdx.x * plan.segment_tiles * kPasses * kWarpSize + lane_index()) {}

  /// There and back, for one group of states.
  __device__ __forceinline__ void walk(float4* partial_sums) {
    const ScanTileMover<Form> mover(params_, block_, plan_.gate_y);
    const int num_tiles = block_.num_tiles();
    if constexpr (Form::kHasKept) {
      mover.fetch(num_tiles - 1, /*for_gradients=*/true);
      for (int pass = 0; pass < kPasses; ++pass) mover.fetch_kept(num_tiles - 1, pass);
    } else {
      mover.fetch(0, /*for_gradients=*/num_tiles == 1);
      walk_there(mover, num_tiles);
    }
    for (int tile = num_tiles - 1; tile >= 0; --tile) {
      LaneTile items;
      mover.stage(tile, /*for_gradients=*/true, channel_, items);
      mover.write_gated(tile);
      if (tile > 0) mover.fetch(tile - 1, /*for_gradients=*/true);
      const int64_t row = block_.segment * plan_.segment_tiles + tile;
      walk_tile_back(mover, tile, items, partial_sums + row * kTilePartials);
      __syncwarp();
      if (is_last_group()) mover.write(tile);
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
      for (int pass = 0; pass < kPasses; ++pass) {
        (is_last ? shared_entering(pass) : *entering(tile, pass)) = packed(there.h[pass]);
      }
      if (is_last) {
        return;
      }
      LaneTile items;
      mover.stage(tile, /*for_gradients=*/false, channel_, items);
      mover.fetch(tile + 1, /*for_gradients=*/tile + 2 == num_tiles);
      there.walk(items);
    }
  }

  // One staged tile there and back.
  __device__ __forceinline__ void walk_tile_back(
      const ScanTileMover<Form>& mover, int tile, const LaneTile& items, float4* partial_sums) {
    StateSums sums;
    auto* const pass_sums = reinterpret_cast<float2*>(partial_sums);
#pragma unroll 1
    for (int pass = 0; pass < kPasses; ++pass) {
      auto& state = backward_shared<Form>().passes[pass];
      WalkBack<Form> walk;
      unpack(state.A[lane_index()], walk.A);
      load_pack<kPassStates>(state.entering[lane_index()], walk.h);
      if (tile > 0) fetch_entering(mover, tile - 1, pass);
      auto& lots = backward_shared<Form>().lots;
      QuadSums<Form::kIsExact> dC;
      walk.walk_there(pass, items, dC);
      __syncwarp();  // the sums of the pass before are read
      dC.leave(lots[1]);
      unpack(state.dA[lane_index()], walk.dA);
      unpack(state.carried[lane_index()], walk.carried);
      QuadSums<Form::kIsExact> dB;
      walk.walk_back(pass, items, sums, dB);
      dB.leave(lots[0]);
      state.dA[lane_index()] = packed(walk.dA);
      state.carried[lane_index()] = packed(walk.carried);
      __syncwarp();
      keep_sums(sum_quads(lots), pass_sums[pass * kWarpSize + lane_index()]);
    }
    finish_tile(tile, items, sums);
  }

  // The place is this lane's alone, through all tiles of the bundle.
  __device__ __forceinline__ void keep_sums(const float2& sum, float2& place) const {
    if (block_.is_first_of_bundle) {
      place = sum;
    } else {
      add_in_memory(sum, &place);
    }
  }

  __device__ bool is_last_group() const {
    return Form::kIsPlain || block_.state_group + 1 == plan_.state_groups;
  }

  // Leaves du and ddelta of the lane's channel in the places of u and delta.
  __device__ __forceinline__ void finish_tile(int tile, const LaneTile& items, StateSums& sums) {
    RawTile<T>& raw = backward_shared<Form>().raw[tile % 2];
    const bool has_softplus = Form::kIsPlain || params_.forward.delta_softplus;
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
      if (!Form::kIsPlain) add_state_groups(tile * kTileTokens + i, sums.gB[i], sums.gA[i]);
      if (!is_last_group()) {
        continue;
      }
      T& u_place = raw.u[i][lane_index()];
      const float u = to_float(u_place);
      const float dt = items.dt[i];
      const float dy = items.dy[i];
      const float ddt = fmaf(u, sums.gB[i], sums.gA[i] * kLn2);
      const float ddelta[1] = {has_softplus ? ddt * scan_softplus_slope<T>(dt) : ddt};
      const float du[1] = {fmaf(channel_.D, dy, dt * sums.gB[i])};
      channel_.dD = fmaf(dy, u, channel_.dD);
      channel_.dbias += ddelta[0];
      store_pack<1>(du, &u_place);
      store_pack<1>(ddelta, &raw.delta[i][lane_index()]);
    }
  }

  // Where there are several groups of states, adds the sums of those walked before, and keeps the
  // new sums for those to come.
  __device__ __forceinline__ void add_state_groups(int step, float& gB, float& gA) const {
    const bool exists = step < block_.num_tokens() && lane_index() < block_.num_channels;
    if (plan_.state_sums == nullptr || !exists) {
      return;
    }
    const ScanParams& forward = params_.forward;
    const int64_t row = block_.sample(forward) * forward.seqlen + block_.token(step);
    float2& stored = plan_.state_sums[row * forward.d_inner + block_.tile.first + lane_index()];
    if (block_.state_group > 0) {
      gB += stored.x;
      gA += stored.y;
    }
    stored = make_float2(gB, gA);
  }

  // Brings the lane's states of a pass as they enter a tile.
  __device__ __forceinline__ void fetch_entering(
      const ScanTileMover<Form>& mover, int tile, int pass) const {
    if constexpr (Form::kHasKept) {
      mover.fetch_kept(tile, pass);
    } else {
      copy_async<16>(&shared_entering(pass), entering(tile, pass), true);
    }
  }

  // In shared memory, where they are float: this lane's states of a pass.
  __device__ __forceinline__ static float4& shared_entering(int pass) {
    return reinterpret_cast<float4&>(backward_shared<Form>().passes[pass].entering[lane_index()]);
  }

  // In the workspace: this lane's states of a pass as they enter a tile.
  __device__ __forceinline__ float4* entering(int tile, int pass) const {
    return entering_ + (tile * kPasses + pass) * kWarpSize;
  }

  __device__ void enter_segment(WalkThere<Form>& there) const {
    load_states(
        params_.forward, block_, block_.states_of(params_.forward, plan_.split.states), there.h);
    for (int pass = 0; pass < kPasses; ++pass) {
      unpack(backward_shared<Form>().passes[pass].A[lane_index()], there.A[pass]);
    }
  }

  const ScanBackwardParams& params_;
  const ScanBackwardPlan& plan_;
  const ScanBlock& block_;
  LaneChannel& channel_;
  float4* const entering_;
};

template <typename Form>
__device__ void start_state_group(
    const ScanParams& params, const ScanBackwardPlan& plan, const ScanBlock& block) {
  float A[kPasses][kPassStates];
  float carried[kPasses][kPassStates];
  load_A(params, block, A);
  load_states(params, block, block.states_of(params, plan.carried), carried);
  for (int pass = 0; pass < kPasses; ++pass) {
    auto& shared = backward_shared<Form>().passes[pass];
    shared.A[lane_index()] = packed(A[pass]);
    shared.dA[lane_index()] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    shared.carried[lane_index()] = packed(carried[pass]);
  }
}

template <typename Form>
__device__ void write_dA(
    const ScanParams& params, const ScanBackwardPlan& plan, const ScanBlock& block) {
  float dA[kPasses][kPassStates];
  for (int pass = 0; pass < kPasses; ++pass) {
    unpack(backward_shared<Form>().passes[pass].dA[lane_index()], dA[pass]);
  }
  store_states(params, block, dA, block.states_of(params, plan.dA_partial));
}

__device__ inline LaneChannel load_channel(const ScanParams& params, const ScanBlock& block) {
  const ScanDirection& in = params.direction[block.direction];
  const int64_t channel = block.tile.first + lane_index();
  const bool exists = lane_index() < block.num_channels;
  LaneChannel result;
  result.D = in.D != nullptr && exists ? in.D[channel] : 0.0F;
  result.bias = in.delta_bias != nullptr && exists ? in.delta_bias[channel] : 0.0F;
  return result;
}

/// Item `index` of (direction, batch, segment, bundle), the last fastest, at its first channel
/// tile.
__device__ inline ScanBlock place_segment(
    const ScanParams& params, const ScanBackwardPlan& plan, int64_t index) {
  ScanBlock block;
  block.bundle = index % plan.bundles;
  block.row = index / plan.bundles;
  block.segment = block.row % plan.split.num_chunks;
  const int64_t sample = block.row / plan.split.num_chunks;
  block.batch = sample % params.batch;
  block.direction = static_cast<int>(sample / params.batch);
  block.reversed = params.direction[block.direction].reversed;
  block.begin = block.segment * plan.split.chunk;
  block.end = min(block.begin + plan.split.chunk, params.seqlen);
  return block;
}

/// Calls f(block) for this warp's channel tiles: blocks are warps that take every gridDim-th
/// bundle.
template <typename F>
__device__ __forceinline__ void for_each_segment(
    const ScanParams& params, const ScanBackwardPlan& plan, F f) {
  const int64_t items = params.num_directions * params.batch * plan.split.num_chunks * plan.bundles;
  const int64_t group_tiles = scan_tiles_per_group(params, kTileChannels);
  const int64_t group_bundles = plan.bundles / params.groups;
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    ScanBlock block = place_segment(params, plan, item);
    const int64_t group_first = block.bundle / group_bundles * group_tiles;
    const int64_t first = group_first + block.bundle % group_bundles;
    for (int64_t tile = first; tile < group_first + group_tiles; tile += group_bundles) {
      block.is_first_of_bundle = tile == first;
      block.tile = scan_tile(params, kTileChannels, tile);
      block.num_channels = static_cast<int>(block.tile.end - block.tile.first);
      block.state_group = 0;
      f(block);
    }
  }
}

/// Writes the gradients of the states that each segment leaves, decayed, of 0, into plan.carried.
template <typename Form>
__global__ void __launch_bounds__(kWarpSize, Form::kResidentWarps)
    scan_adjoint_kernel(ScanBackwardParams params, ScanBackwardPlan plan) {
  const ScanParams& forward = params.forward;
  for_each_segment(forward, plan, [&](ScanBlock& block) {
    const LaneChannel channel = load_channel(forward, block);
    for (; block.state_group < plan.state_groups; ++block.state_group) {
      __syncwarp();  // the walk before this one is done with shared memory
      const ScanTileMover<Form> mover(params, block, TokenView{});
      WalkAdjoint<Form> walk;
      load_A(forward, block, walk.A);
      int tile = block.num_tiles() - 1;
      mover.fetch(tile, /*for_gradients=*/true);
      for (; tile >= 0; --tile) {
        LaneTile items;
        mover.stage(tile, /*for_gradients=*/true, channel, items);
        if (tile > 0) mover.fetch(tile - 1, /*for_gradients=*/true);
        walk.walk(items);
      }
      store_states(forward, block, walk.carried, block.states_of(forward, plan.carried));
    }
  });
}

template <typename Form>
__global__ void __launch_bounds__(kWarpSize, Form::kResidentWarps)
    scan_backward_kernel(ScanBackwardParams params, ScanBackwardPlan plan) {
  const ScanParams& forward = params.forward;
  for_each_segment(forward, plan, [&](ScanBlock& block) {
    LaneChannel channel = load_channel(forward, block);
    float4* partial_sums =
        plan.bc_partial + plan.bc_row(forward, block.direction, block.batch, block.bundle);
    for (; block.state_group < plan.state_groups; ++block.state_group) {
      __syncwarp();  // the walk before this one is done with shared memory
      start_state_group<Form>(forward, plan, block);
      SegmentWalker<Form>(params, plan, block, channel).walk(partial_sums);
      write_dA<Form>(forward, plan, block);
      partial_sums += plan.token_tiles * kTilePartials;
    }
    if (lane_index() < block.num_channels) {
      const int64_t at = block.row * forward.d_inner + block.tile.first + lane_index();
      plan.dD_partial[at] = channel.dD;
      plan.dbias_partial[at] = channel.dbias;
    }
  });
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
