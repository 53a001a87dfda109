// The forward of the selective scan where rows are few, and of the chunks of a cut sequence, in the
// model's own case (ScanForm::kIsPlain): a pair of lanes shares a channel, so that there are twice
// as many warps as with a channel a lane. Tiles come as scan_forward_tiles.cuh says. What belongs
// to a token and channel but not to a state is made for the whole tile at once, a pack of channels
// a lane: dt and dt u before the walk, the output after it, from what both lanes of a pair left.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward_tiles.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// One warp's shared memory.
template <typename Form, int kSteps>
struct ForwardPairShared : ForwardTilesShared<Form, kSteps> {
  using Tiles = ForwardTilesShared<Form, kSteps>;
  alignas(16) float2 items[Tiles::kTokens][Tiles::kChannels];  // dt, dt u
  alignas(16) float sums[Tiles::kTokens][kWarpSize];           // of C h over a lane's states
};

/// A warp's walk through its tokens.
template <typename Form, int kRankSteps>
class ForwardPairWalk : public ForwardTiles<Form, ForwardPairShared<Form, kRankSteps>> {
  using Tiles = ForwardTiles<Form, ForwardPairShared<Form, kRankSteps>>;
  using Tiles::kTokens;
  using Tiles::params_;
  using Tiles::shared_;
  using Tiles::thread_;
  using Tiles::warp_;
  using typename Tiles::T;
  using typename Tiles::Tile;
  static constexpr int kLanes = Form::kChannelLanes;
  static constexpr int kPack = Form::kChannels * kTokens / kWarpSize;
  static constexpr int kRowLanes = Form::kChannels / kPack;

 public:
  __device__ ForwardPairWalk(const ScanParams& params, const ScanWarp& warp, ScanLane<Form>& lane)
      : Tiles(params, warp),
        lane_(lane),
        row_(thread_ / kRowLanes),
        column_(thread_ % kRowLanes * kPack) {
    const ScanDirection& in = params.direction[warp.direction];
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int64_t channel = warp.first_channel + column_ + i;
      const bool exists = column_ + i < warp.num_channels;
      bias_[i] = exists ? in.delta_bias[channel] : 0.0F;
      D_[i] = exists && in.D != nullptr ? in.D[channel] : 0.0F;
    }
    __syncwarp();
  }

 private:
  template <ForwardPhase kPhase, typename Walk>
  friend __device__ void walk_tiles(Walk& walk, int begin, int end);

  __device__ __forceinline__ void prepare(const Tile& tile) const {
    if constexpr (kRankSteps > 0) __syncwarp();  // delta has just been made
    float dt[kPack];
    float u[kPack];
    load_pack<kPack>(&tile.delta[row_][column_], dt);
    load_pack<kPack>(&tile.u[row_][column_], u);
#pragma unroll
    for (int i = 0; i < kPack; ++i) dt[i] = scan_softplus<T>(dt[i] + bias_[i]);
#pragma unroll
    for (int i = 0; i < kPack; i += 2) {
      const float two[4] = {dt[i], dt[i] * u[i], dt[i + 1], dt[i + 1] * u[i + 1]};
      store_pack<4>(two, &shared_.items[row_][column_ + i].x);
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void walk_tile(const Tile&, int begin, int end) {
    constexpr int kTogether = 4;
    const int count = end - begin;
    int i = 0;
#pragma unroll 1
    for (; i + kTogether <= count; i += kTogether) {
#pragma unroll
      for (int k = 0; k < kTogether; ++k) walk_token<kPhase>(i + k);
    }
#pragma unroll 1
    for (; i < count; ++i) walk_token<kPhase>(i);
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void walk_token(int i) {
    const float2 item = shared_.items[i][lane_.channel];
    const float* B = &shared_.bc[i][0][lane_.first_state];
    const float* C = &shared_.bc[i][1][lane_.first_state];
    if constexpr (kPhase == ForwardPhase::kStates) {
      this->sum_dt_ += item.x;
      advance_states(lane_, item.x, item.y, B);
    } else {
      shared_.sums[i][thread_] = advance(lane_, item.x, item.y, B, C);
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void write(const Tile& tile, int begin, int end) const {
    if (kPhase == ForwardPhase::kStates || begin + row_ >= end || column_ >= warp_.num_channels) {
      return;
    }
    float y[kPack];
    load_pack<kPack>(&tile.u[row_][column_], y);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      float parts[kLanes];
      load_pack<kLanes>(&shared_.sums[row_][(column_ + i) * kLanes], parts);
      y[i] = fmaf(D_[i], y[i], parts[0] + parts[1]);
    }
    if (kPhase == ForwardPhase::kSecondHalf) {
      float other[kPack];
      load_pack<kPack>(&tile.sums[row_][column_], other);
#pragma unroll
      for (int i = 0; i < kPack; ++i) y[i] += other[i];
    }
    if (!finishes(kPhase) || this->has_sums()) {
      store_pack<kPack>(y, shared_.rows[kTileSums].at(begin + row_, column_));
    }
    if (finishes(kPhase) && params_.out.data != nullptr) {
      float z[kPack];
      load_pack<kPack>(&tile.z[row_][column_], z);
#pragma unroll
      for (int i = 0; i < kPack; ++i) y[i] *= params_.scale * (z[i] * scan_sigmoid<T>(z[i]));
      store_pack<kPack>(y, shared_.rows[kTileOut].at(begin + row_, column_));
    }
  }

  ScanLane<Form>& lane_;
  int row_;  // the lane's pack of a tile
  int column_;
  float bias_[kPack];
  float D_[kPack];
};

template <typename Form, int kRankSteps>
__global__ void __launch_bounds__(kMaxDirections* kWarpSize, 10)
    scan_forward_pair_kernel(ScanParams params, ScanSplit split) {
  static_assert(Form::kIsPlain && Form::kChannelLanes == 2, "a channel a pair of lanes");
  const ScanWarp warp = locate_warp(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  lane.enter(params, warp, split);
  ForwardPairWalk<Form, kRankSteps> walk(params, warp, lane);
  walk_chunk(walk, params, warp);
  lane.leave(params, warp, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
