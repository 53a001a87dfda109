// What the forms of the scan's forward for the model's own case (ScanForm::kIsPlain) share: a warp
// takes tiles of tokens into shared memory, as they lie in memory, by asynchronous copies while the
// tile before is walked. In 16 bits delta may be made here, from the small projection.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_projection.cuh"
#include "kernels/cuda/scan_rows.cuh"

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

/// One warp's shared memory. kRankSteps: of the product that makes delta; 0: delta is given.
template <typename Form, int kSteps>
struct ForwardTilesShared {
  using T = typename Form::Storage;
  static constexpr int kRankSteps = kSteps;
  static constexpr int kTokens = 32 / sizeof(T);  // of a tile: 16 in 16 bits
  static constexpr int kChannels = Form::kChannels;
  static constexpr int kStates = Form::kPadded;
  static constexpr int kDtColumns = kRankSteps == 0 ? 1 : kRankStep * kRankSteps;

  struct Tile {
    alignas(16) T u[kTokens][kChannels];
    alignas(16) T delta[kTokens][kChannels];
    alignas(16) T z[kTokens][kChannels];
    alignas(16) T sums[kTokens][kChannels];
    alignas(16) T B[kTokens][kStates];
    alignas(16) T C[kTokens][kStates];
    alignas(16) T dt_input[kTokens][kDtColumns];
  };

  Tile tiles[2];  // the one being walked and the next
  alignas(16) float bc[kTokens][2][kStates];
  StepRows<T*> rows[kNumTileTensors];  // inputs are only read
};

/// Brings a warp's tiles. Shared is a ForwardTilesShared.
template <typename Form, typename Shared>
class ForwardTiles {
 protected:
  using T = typename Form::Storage;
  using Tile = typename Shared::Tile;
  static constexpr int kRankSteps = Shared::kRankSteps;
  static constexpr int kTokens = Shared::kTokens;
  static constexpr int kCopy = 16 / sizeof(T);  // channels that are moved at once

 public:
  /// Other lanes see the rows after a barrier.
  __device__ ForwardTiles(const ScanParams& params, const ScanWarp& warp)
      : params_(params),
        warp_(warp),
        shared_(block_shared<Shared>()[threadIdx.x / kWarpSize]),
        thread_(static_cast<int>(threadIdx.x) % kWarpSize) {
    const ScanDirection& in = params.direction[warp.direction];
    const int64_t first_state = warp.group * Form::kPadded;
    locate(kTileU, in.u, warp.first_channel);
    if constexpr (kRankSteps == 0) {
      locate(kTileDelta, in.delta, warp.first_channel);
    } else {
      locate(kTileDelta, in.dt_input, 0);
      const int rank = static_cast<int>(params.dt_rank);
      const T* weight = static_cast<const T*>(in.dt_weight) + warp.first_channel * rank;
      projection_.load(weight, warp.num_channels, rank);
    }
    locate(kTileZ, params.z, warp.first_channel);
    locate(kTileB, in.B, first_state);
    locate(kTileC, in.C, first_state);
    // Without a place for the sums the first half lies in the output until the second overwrites
    // it.
    locate(kTileSums, has_sums() ? params.y : params.out, warp.first_channel);
    locate(kTileOut, params.out, warp.first_channel);
  }

  /// Of dt over the tokens walked so far, where only states are walked.
  __device__ float sum_dt() const { return sum_dt_; }

 protected:
  template <ForwardPhase kPhase, typename Walk>
  friend __device__ void walk_tiles(Walk& walk, int begin, int end);

  __device__ bool has_sums() const { return params_.y.data != nullptr; }

  // Tiles end at multiples of their size, wherever the first begins.
  __device__ __forceinline__ static int tile_end(int begin, int end) {
    return min((begin / kTokens + 1) * kTokens, end);
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

  const ScanParams& params_;
  const ScanWarp& warp_;
  Shared& shared_;
  int thread_;  // of the warp
  DtProjection<T, kRankSteps, Form::kChannels> projection_;
  float sum_dt_ = 0.0F;

 private:
  // Each table is written by a lane of its own.
  template <typename View>
  __device__ void locate(TileTensor tensor, const View& view, int64_t column) {
    if (thread_ == static_cast<int>(tensor)) {
      shared_.rows[tensor] = walk_rows<T>(view, warp_, column);
    }
  }
};

/// Takes steps [begin, end) tile by tile. A Walk is a ForwardTiles with prepare(tile), which makes
/// what all lanes then need, walk_tile(tile, begin, end) and write(tile, begin, end), each of which
/// sees what the lanes did before.
template <ForwardPhase kPhase, typename Walk>
__device__ __forceinline__ void walk_tiles(Walk& walk, int begin, int end) {
  if (begin == end) {
    return;  // the second half of a single token
  }
  auto& shared = walk.shared_;
  int parity = 0;
  int next = walk.tile_end(begin, end);
  walk.template fetch<kPhase>(shared.tiles[parity], begin, next);
  for (; begin < end; begin = next, next = walk.tile_end(next, end)) {
    wait_for_copies();
    __syncwarp();
    auto& tile = shared.tiles[parity];
    if constexpr (Walk::kRankSteps > 0) walk.projection_.apply(tile.dt_input, tile.delta);
    walk.stage_states(tile.B, 0);
    if (kPhase != ForwardPhase::kStates) walk.stage_states(tile.C, 1);
    walk.prepare(tile);
    parity ^= 1;
    if (next < end) {
      walk.template fetch<kPhase>(shared.tiles[parity], next, walk.tile_end(next, end));
    }
    __syncwarp();
    walk.template walk_tile<kPhase>(tile, begin, next);
    __syncwarp();
    walk.template write<kPhase>(tile, begin, next);
    __syncwarp();
  }
}

/// A warp's walk through its chunk, with the other direction's half in between where there is one.
template <typename Walk>
__device__ __forceinline__ void walk_chunk(
    Walk& walk, const ScanParams& params, const ScanWarp& warp) {
  const int count = warp.num_tokens();
  if (params.num_directions == 1) {
    walk_tiles<ForwardPhase::kOnly>(walk, 0, count);
    return;
  }
  const int half = first_half(warp);
  walk_tiles<ForwardPhase::kFirstHalf>(walk, 0, half);
  __syncthreads();  // the sums of the first halves are in memory
  walk_tiles<ForwardPhase::kSecondHalf>(walk, half, count);
}

/// scan_chunk_kernel (scan_chunks.cuh) by a walk through tiles: Walk<Form, kRankSteps>.
template <template <typename, int> class Walk, typename Form>
__global__ void __launch_bounds__(kWarpSize)
    scan_chunk_tiles_kernel(ScanParams params, ScanSplit split) {
  const ScanWarp warp = locate_warp(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  Walk<Form, 0> walk(params, warp, lane);
  walk_tiles<ForwardPhase::kStates>(walk, 0, warp.num_tokens());
  lane.leave_chunk(params, warp, split, walk.sum_dt());
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
