// The forward of the selective scan where rows are many and the case is the model's own
// (ScanForm::kIsPlain): a lane holds a channel with all its states, two warps of a block walk from
// opposite ends, as in scan_forward.cuh. But here tiles of tokens come into shared memory by
// asynchronous copies while the tile before is walked; a lane takes its channel from there as it
// lies, and leaves its results in the same place, from where they go to memory 16 bytes at a time.
// In 16 bits delta may be made here, from the small projection (scan_projection.cuh).
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_kept_states.cuh"
#include "kernels/cuda/scan_projection.cuh"
#include "kernels/cuda/scan_rows.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// Tensors that a walk reads and writes; kLaneDelta: dt_input where delta is made from it;
/// kLaneSums: read and written, what a direction leaves in its first half for the other's second.
enum LaneTensor {
  kLaneU,
  kLaneDelta,
  kLaneZ,
  kLaneB,
  kLaneC,
  kLaneSums,
  kLaneOut,
  kLaneKept,
  kNumLaneTensors
};

/// One warp's shared memory. The walk leaves the sum of a token over states (and directions) in the
/// place of its delta, and the gated output in the place of u.
template <typename Form, int kRankSteps>
struct ForwardLaneShared {
  using T = typename Form::Storage;
  static constexpr int kTokens = 32 / sizeof(T);  // of a tile: 16 in 16 bits
  static constexpr int kStates = Form::kPadded;
  static constexpr int kDtColumns = kRankSteps == 0 ? 1 : kRankStep * kRankSteps;

  struct Tile {
    alignas(16) T u[kTokens][kWarpSize];
    alignas(16) T delta[kTokens][kWarpSize];
    alignas(16) T z[kTokens][kWarpSize];
    alignas(16) T sums[kTokens][kWarpSize];
    alignas(16) T B[kTokens][kStates];
    alignas(16) T C[kTokens][kStates];
    alignas(16) T dt_input[kTokens][kDtColumns];
  };

  Tile tiles[2];  // the one being walked and the next
  alignas(16) float bc[kTokens][2][kStates];
  StepRows<T*> rows[kNumLaneTensors];  // inputs are only read
};

/// A warp's walk through its tokens. kRankSteps: of the product that makes delta; 0: delta is
/// given.
template <typename Form, int kRankSteps>
class ForwardLaneWalk {
  using T = typename Form::Storage;
  using Shared = ForwardLaneShared<Form, kRankSteps>;
  using Tile = typename Shared::Tile;
  static constexpr int kTokens = Shared::kTokens;
  static constexpr int kCopy = 16 / sizeof(T);  // channels that are moved at once

 public:
  __device__ ForwardLaneWalk(const ScanParams& params, const ScanWarp& warp, ScanLane<Form>& lane)
      : params_(params),
        warp_(warp),
        lane_(lane),
        shared_(block_shared<Shared>()[threadIdx.x / kWarpSize]) {
    const ScanDirection& in = params.direction[warp.direction];
    const int64_t first_state = warp.group * Form::kPadded;
    locate(kLaneU, in.u, warp.first_channel);
    if constexpr (kRankSteps == 0) {
      locate(kLaneDelta, in.delta, warp.first_channel);
    } else {
      locate(kLaneDelta, in.dt_input, 0);
      const int rank = static_cast<int>(params.dt_rank);
      const T* weight = static_cast<const T*>(in.dt_weight) + warp.first_channel * rank;
      projection_.load(weight, warp.num_channels, rank);
    }
    locate(kLaneZ, params.z, warp.first_channel);
    locate(kLaneB, in.B, first_state);
    locate(kLaneC, in.C, first_state);
    // Without a place for the sums the first half lies in the output until the second overwrites
    // it.
    locate(kLaneSums, has_sums() ? params.y : params.out, warp.first_channel);
    locate(kLaneOut, params.out, warp.first_channel);
    if (lane.channel == static_cast<int>(kLaneKept)) {
      const int64_t sample = warp.direction * params.batch + warp.batch;
      shared_.rows[kLaneKept] = kept_rows<T>(params, sample, warp.first_channel);
    }
    const int64_t channel = warp.first_channel + lane.channel;
    bias_ = lane.is_inside ? in.delta_bias[channel] : 0.0F;
    D_ = lane.is_inside && in.D != nullptr ? in.D[channel] : 0.0F;
    __syncwarp();
  }

  /// Steps [begin, end).
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void walk(int begin, int end) {
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
      if constexpr (kRankSteps > 0) projection_.apply(tile.dt_input, tile.delta);
      stage_states(tile.B, 0);
      stage_states(tile.C, 1);
      parity ^= 1;
      if (next < end) fetch<kPhase>(shared_.tiles[parity], next, tile_end(next, end));
      __syncwarp();
      walk_tile<kPhase>(tile, begin, next);
      __syncwarp();
      write<kPhase>(tile, begin, next);
      __syncwarp();
    }
  }

 private:
  template <ForwardPhase kPhase>
  static constexpr bool kFinishes = kPhase != ForwardPhase::kFirstHalf;

  __device__ bool has_sums() const { return params_.y.data != nullptr; }

  // Tiles end at multiples of their size, wherever the first begins.
  __device__ __forceinline__ static int tile_end(int begin, int end) {
    return min((begin / kTokens + 1) * kTokens, end);
  }

  // Each table is written by a lane of its own.
  template <typename View>
  __device__ void locate(LaneTensor tensor, const View& view, int64_t column) {
    if (lane_.channel == static_cast<int>(tensor)) {
      const T* sample = scan_sample<T>(view, warp_.batch);
      StepRows<T*>& rows = shared_.rows[tensor];
      rows.origin = const_cast<T*>(sample) + warp_.token(0) * view.token_stride + column;
      rows.stride = static_cast<int>(warp_.reversed ? -view.token_stride : view.token_stride);
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void fetch(Tile& tile, int begin, int end) const {
    const auto copy_channels = [&](LaneTensor tensor, auto& to) {
      copy_rows<kCopy, true>(shared_.rows[tensor], begin, end, warp_.num_channels, to);
    };
    copy_channels(kLaneU, tile.u);
    if constexpr (kRankSteps == 0) {
      copy_channels(kLaneDelta, tile.delta);
    } else {
      const int rank = static_cast<int>(params_.dt_rank);
      copy_rows<kCopy, true>(shared_.rows[kLaneDelta], begin, end, rank, tile.dt_input);
    }
    if (kFinishes<kPhase>) copy_channels(kLaneZ, tile.z);
    if (kPhase == ForwardPhase::kSecondHalf) copy_channels(kLaneSums, tile.sums);
    copy_rows<4, true>(shared_.rows[kLaneB], begin, end, Form::kPadded, tile.B);
    copy_rows<4, true>(shared_.rows[kLaneC], begin, end, Form::kPadded, tile.C);
  }

  // B (which 0) or C (1) as floats; a lane takes four states of a token.
  __device__ __forceinline__ void stage_states(
      const T (&raw)[kTokens][Form::kPadded], int which) const {
    constexpr int kRowLanes = Form::kPadded / 4;
#pragma unroll
    for (int first = 0; first < kTokens; first += kWarpSize / kRowLanes) {
      const int row = first + lane_.channel / kRowLanes;
      const int state = lane_.channel % kRowLanes * 4;
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
    const StepRows<T*>& rows = shared_.rows[kLaneKept];
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
    float y = fmaf(D_, input, advance(lane_, dt, dt * input, shared_.bc[i][0]));
    if (kPhase == ForwardPhase::kSecondHalf) y += to_float(tile.sums[i][lane_.channel]);
    put(y, delta);
    if (kFinishes<kPhase>) {
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
    if (!kFinishes<kPhase> || has_sums()) {
      write_rows<kCopy>(tile.delta, shared_.rows[kLaneSums], begin, end, channels);
    }
    if (kFinishes<kPhase> && params_.out.data != nullptr) {
      write_rows<kCopy>(tile.u, shared_.rows[kLaneOut], begin, end, channels);
    }
  }

  const ScanParams& params_;
  const ScanWarp& warp_;
  ScanLane<Form>& lane_;
  Shared& shared_;
  DtProjection<T, kRankSteps> projection_;
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
  const int count = warp.num_tokens();
  if (params.num_directions == 2) {
    const int half = first_half(warp);
    walk.template walk<ForwardPhase::kFirstHalf>(0, half);
    __syncthreads();  // the sums of the first halves are in memory
    walk.template walk<ForwardPhase::kSecondHalf>(half, count);
  } else {
    walk.template walk<ForwardPhase::kOnly>(0, count);
  }
  lane.leave(params, warp, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
