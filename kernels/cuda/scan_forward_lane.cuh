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

/// Tensors that a walk reads and writes; kTileDelta: dt_input where delta is made from it;
/// kTileSums: read and written, what a direction leaves in its first half for the other's second.
enum TileTensor {
  kTileU,
  kTileDelta,
  kTileZ,
  kTileB,
  kTileC,
  kTileSums,
  kTileOut,
  kTileKept,
  kNumTileTensors
};

/// One warp's shared memory: the tile being walked and the next, B and C as floats, and where the
/// tensors' rows lie, which are only read of inputs.
template <typename Form, int kSteps>
struct ForwardLaneShared : ForwardTilesShared<Form, kSteps, 2> {
  using Tiles = ForwardTilesShared<Form, kSteps, 2>;
  alignas(16) float bc[Tiles::kTokens][2][Form::kPadded];
  StepRows<typename Tiles::T*> rows[kNumTileTensors];
};

/// A warp's walk through its tokens. It leaves the sum of a token over states (and directions) in
/// the place of its delta, and the gated output in the place of u.
template <typename Form, int kRankSteps>
class ForwardLaneWalk : public ForwardTiles<Form, ForwardLaneShared<Form, kRankSteps>> {
  using Tiles = ForwardTiles<Form, ForwardLaneShared<Form, kRankSteps>>;
  using Tiles::kCopy;
  using Tiles::kTokens;
  using Tiles::params_;
  using Tiles::shared_;
  using Tiles::thread_;
  using Tiles::warp_;
  using typename Tiles::T;
  using typename Tiles::Tile;

 public:
  __device__ ForwardLaneWalk(const ScanParams& params, const ScanWarp& warp, ScanLane<Form>& lane)
      : Tiles(params, warp), lane_(lane) {
    locate_rows();
    const ScanDirection& in = params.direction[warp.direction];
    const int64_t channel = warp.first_channel + lane.channel;
    bias_ = lane.is_inside ? in.delta_bias[channel] : 0.0F;
    D_ = lane.is_inside && in.D != nullptr ? in.D[channel] : 0.0F;
    __syncwarp();
  }

  /// Takes steps [begin, end) tile by tile, the next on its way meanwhile.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void run(int begin, int end) {
    if (begin == end) {
      return;  // the second half of a single token
    }
    int parity = 0;
    int next = tile_end(begin, end);
    fetch<kPhase>(shared_.tiles[parity], begin, next);
    for (; begin < end; begin = next, next = tile_end(next, end)) {
      wait_for_copies();
      __syncwarp();
      Tile& tile = shared_.tiles[parity];
      if constexpr (kRankSteps > 0) this->projection_.apply(tile.dt_input, tile.delta);
      stage_states(tile.B, 0);
      if (kPhase != ForwardPhase::kStates) stage_states(tile.C, 1);
      parity ^= 1;
      if (next < end) {
        fetch<kPhase>(shared_.tiles[parity], next, tile_end(next, end));
      }
      __syncwarp();
      walk_tile<kPhase>(tile, begin, next);
      __syncwarp();
      write<kPhase>(tile, begin, next);
      __syncwarp();
    }
  }

 private:
  // Tiles end at multiples of their size, wherever the first begins.
  __device__ __forceinline__ static int tile_end(int begin, int end) {
    return min((begin / kTokens + 1) * kTokens, end);
  }

  // Other lanes see the rows after a barrier.
  __device__ void locate_rows() {
    const ScanDirection& in = params_.direction[warp_.direction];
    const int64_t first_state = warp_.group * Form::kPadded;
    locate(kTileU, in.u, warp_.first_channel);
    if constexpr (kRankSteps == 0) {
      locate(kTileDelta, in.delta, warp_.first_channel);
    } else {
      locate(kTileDelta, in.dt_input, 0);
    }
    locate(kTileZ, params_.z, warp_.first_channel);
    locate(kTileB, in.B, first_state);
    locate(kTileC, in.C, first_state);
    locate(kTileSums, this->sums_view(), warp_.first_channel);
    locate(kTileOut, params_.out, warp_.first_channel);
    if (thread_ == static_cast<int>(kTileKept)) {
      const int64_t sample = warp_.direction * params_.batch + warp_.batch;
      shared_.rows[kTileKept] = kept_rows<T>(params_, sample, warp_.first_channel);
    }
  }

  // Each table is written by a lane of its own.
  template <typename View>
  __device__ void locate(TileTensor tensor, const View& view, int64_t column) {
    if (thread_ == static_cast<int>(tensor)) {
      shared_.rows[tensor] = walk_rows<T>(view, warp_, column);
    }
  }

  // Starts to copy what steps [begin, end) need.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void fetch(Tile& tile, int begin, int end) const {
    const auto copy_channels = [&](TileTensor tensor, auto& to) {
      copy_rows<kCopy, true>(shared_.rows[tensor], begin, end, warp_.num_channels, to);
    };
    copy_channels(kTileU, tile.u);
    if constexpr (kRankSteps == 0) {
      copy_channels(kTileDelta, tile.delta);
    } else {
      const int rank = static_cast<int>(params_.dt_rank);
      copy_rows<kCopy, true>(shared_.rows[kTileDelta], begin, end, rank, tile.dt_input);
    }
    if (finishes(kPhase)) copy_channels(kTileZ, tile.z);
    if (kPhase == ForwardPhase::kSecondHalf) copy_channels(kTileSums, tile.sums);
    copy_rows<4, true>(shared_.rows[kTileB], begin, end, Form::kPadded, tile.B);
    if (kPhase != ForwardPhase::kStates) {
      copy_rows<4, true>(shared_.rows[kTileC], begin, end, Form::kPadded, tile.C);
    }
  }

  // B (which 0) or C (1) as floats; a lane takes four states of a token.
  __device__ __forceinline__ void stage_states(
      const T (&raw)[kTokens][Form::kPadded], int which) const {
    constexpr int kRowLanes = Form::kPadded / 4;
#pragma unroll
    for (int first = 0; first < kTokens; first += kWarpSize / kRowLanes) {
      const int row = first + thread_ / kRowLanes;
      const int state = thread_ % kRowLanes * 4;
      float values[4];
      load_pack<4>(&raw[row][state], values);
      store_pack<4>(values, &shared_.bc[row][which][state]);
    }
  }

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
  forward_by_walk<ForwardLaneWalk<Form, kRankSteps>, Form>(params, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
