// The forward of the selective scan where rows, or the chunks of a cut sequence, are many and the
// case is the model's own (ScanForm::kIsPlain): a lane holds a channel with all its states, two
// warps of a block walk from opposite ends, as in scan_forward.cuh, through tiles
// (scan_forward_tiles.cuh). A lane takes its channel from a tile as it lies there, and leaves its
// results in the same place, from where they go to memory 16 bytes at a time.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward_tiles.cuh"
#include "kernels/cuda/scan_kept_states.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// A warp's walk through its tokens. It leaves the sum of a token over states (and directions) in
/// the place of its delta, and the gated output in the place of u.
template <typename Form, int kRankSteps>
class ForwardLaneWalk : public ForwardTiles<Form, ForwardTilesShared<Form, kRankSteps>> {
  using Tiles = ForwardTiles<Form, ForwardTilesShared<Form, kRankSteps>>;
  using Tiles::kCopy;
  using Tiles::params_;
  using Tiles::shared_;
  using Tiles::warp_;
  using typename Tiles::T;
  using typename Tiles::Tile;

 public:
  __device__ ForwardLaneWalk(const ScanParams& params, const ScanWarp& warp, ScanLane<Form>& lane)
      : Tiles(params, warp), lane_(lane) {
    if (lane.channel == static_cast<int>(kTileKept)) {
      const int64_t sample = warp.direction * params.batch + warp.batch;
      shared_.rows[kTileKept] = kept_rows<T>(params, sample, warp.first_channel);
    }
    const ScanDirection& in = params.direction[warp.direction];
    const int64_t channel = warp.first_channel + lane.channel;
    bias_ = lane.is_inside ? in.delta_bias[channel] : 0.0F;
    D_ = lane.is_inside && in.D != nullptr ? in.D[channel] : 0.0F;
    __syncwarp();
  }

 private:
  template <ForwardPhase kPhase, typename Walk>
  friend __device__ void walk_tiles(Walk& walk, int begin, int end);

  __device__ void prepare(const Tile&) const {}

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void walk_tile(Tile& tile, int begin, int end) {
    constexpr int kTogether = 4;
    int step = begin;
#pragma unroll 1
    while (step < end) {
      if (params_.kept_states != nullptr && step % kTileTokens == 0 && step > 0) keep(step);
      const int row = step - begin;
      if (step % kTogether == 0 && step + kTogether <= end) {
#pragma unroll
        for (int k = 0; k < kTogether; ++k) walk_token<kPhase>(tile, row + k);
        step += kTogether;
      } else {
        walk_token<kPhase>(tile, row);
        ++step;
      }
    }
  }

  // Keeps the lane's states as they are before a step that begins a tile of the backward's.
  __device__ __forceinline__ void keep(int step) const {
    if (!lane_.is_inside) {
      return;
    }
    const StepRows<T*>& rows = shared_.rows[kTileKept];
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      float states[kPassStates];
#pragma unroll
      for (int n = 0; n < kPassStates; ++n) {
        states[n] = kept_state<T>(lane_.h[pass * kPassStates + n]);
      }
      const int row = kept_row(step / kTileTokens, pass);
      store_pack<kPassStates>(states, rows.at(row, lane_.channel * kPassStates));
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void walk_token(Tile& tile, int i) {
    T& delta = tile.delta[i][lane_.channel];
    T& u = tile.u[i][lane_.channel];
    const float dt = scan_softplus<T>(to_float(delta) + bias_);
    const float input = to_float(u);
    const auto& bc = shared_.bc[i];
    if (kPhase == ForwardPhase::kStates) {
      this->sum_dt_ += dt;
      advance_states(lane_, dt, dt * input, bc[0]);
      return;
    }
    float y = fmaf(D_, input, advance(lane_, dt, dt * input, bc[0], bc[1]));
    if (kPhase == ForwardPhase::kSecondHalf) y += to_float(tile.sums[i][lane_.channel]);
    put(y, delta);
    if (finishes(kPhase)) {
      const float z = to_float(tile.z[i][lane_.channel]);
      put(y * params_.scale * (z * scan_sigmoid<T>(z)), u);
    }
  }

  __device__ __forceinline__ static void put(float value, T& to) {
    const float values[1] = {value};
    store_pack<1>(values, &to);
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void write(const Tile& tile, int begin, int end) const {
    const int channels = warp_.num_channels;
    if (kPhase == ForwardPhase::kStates) {
      return;
    }
    if (!finishes(kPhase) || this->has_sums()) {
      write_rows<kCopy>(tile.delta, shared_.rows[kTileSums], begin, end, channels);
    }
    if (finishes(kPhase) && params_.out.data != nullptr) {
      write_rows<kCopy>(tile.u, shared_.rows[kTileOut], begin, end, channels);
    }
  }

  ScanLane<Form>& lane_;
  float bias_;
  float D_;
};

template <typename Form, int kRankSteps>
__global__ void __launch_bounds__(kMaxDirections* kWarpSize, 8)
    scan_forward_lane_kernel(ScanParams params, ScanSplit split) {
  static_assert(Form::kIsPlain && Form::kChannelLanes == 1, "a channel a lane");
  const ScanWarp warp = locate_warp(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  lane.enter(params, warp, split);
  ForwardLaneWalk<Form, kRankSteps> walk(params, warp, lane);
  walk_chunk(walk, params, warp);
  lane.leave(params, warp, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
