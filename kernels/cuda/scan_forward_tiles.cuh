// What the forms of the scan's forward for the model's own case (ScanForm::kIsPlain) share: a warp
// takes tiles of tokens into shared memory, as they lie in memory, by asynchronous copies while a
// tile before them is walked. In 16 bits delta may be made there, from the small projection.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_projection.cuh"
#include "kernels/cuda/scan_rows.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// One warp's shared memory: kTiles tiles. kRankSteps: of the product that makes delta; 0: delta is
/// given.
template <typename Form, int kSteps, int kTiles>
struct ForwardTilesShared {
  using T = typename Form::Storage;
  static constexpr int kRankSteps = kSteps;
  // Of a tile: 16 in 16 bits; where two warps share a walk, so many that every lane of one copies
  // 16 bytes of a tensor.
  static constexpr int kTokens =
      Form::kWalkWarps == 1 ? 32 / sizeof(T) : 16 * kWarpSize / (Form::kChannels * sizeof(T));
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

  Tile tiles[kTiles];
};

/// What the walks through tiles have in common. Shared is a ForwardTilesShared.
template <typename Form, typename Shared>
class ForwardTiles {
 protected:
  using T = typename Form::Storage;
  using Tile = typename Shared::Tile;
  static constexpr int kRankSteps = Shared::kRankSteps;
  static constexpr int kTokens = Shared::kTokens;
  static constexpr int kCopy = 16 / sizeof(T);  // channels that are moved at once

 public:
  __device__ ForwardTiles(const ScanParams& params, const ScanWarp& warp)
      : params_(params),
        warp_(warp),
        shared_(block_shared<Shared>()[threadIdx.x / (kWarpSize * Form::kWalkWarps)]),
        thread_(static_cast<int>(threadIdx.x) % kWarpSize) {
    if constexpr (kRankSteps > 0) {
      const int rank = static_cast<int>(params.dt_rank);
      const T* weight = static_cast<const T*>(params.direction[warp.direction].dt_weight);
      projection_.load(weight + warp.first_channel * rank, warp.num_channels, rank);
    }
  }

  /// Of dt over the tokens walked so far, where only states are walked.
  __device__ float sum_dt() const { return sum_dt_; }

 protected:
  __device__ bool has_sums() const { return params_.y.data != nullptr; }

  /// Where a direction leaves the sums of its first half for the other's second: without a place
  /// of their own they lie in the output until the second half overwrites them.
  __device__ const MutableTokenView& sums_view() const {
    return has_sums() ? params_.y : params_.out;
  }

  const ScanParams& params_;
  const ScanWarp& warp_;
  Shared& shared_;
  int thread_;  // of the warp
  DtProjection<T, kRankSteps, Form::kChannels> projection_;
  float sum_dt_ = 0.0F;
};

/// A warp's walk through its chunk, with the other direction's half in between where there is one.
/// A Walk is a ForwardTiles that takes steps [begin, end) by run<kPhase>(begin, end).
template <typename Walk>
__device__ __forceinline__ void walk_chunk(
    Walk& walk, const ScanParams& params, const ScanWarp& warp) {
  const int count = warp.num_tokens();
  if (params.num_directions == 1) {
    walk.template run<ForwardPhase::kOnly>(0, count);
    return;
  }
  const int half = first_half(warp);
  walk.template run<ForwardPhase::kFirstHalf>(0, half);
  __syncthreads();  // the sums of the first halves are in memory
  walk.template run<ForwardPhase::kSecondHalf>(half, count);
}

/// What a warp of the forward does, by a Walk through tiles.
template <typename Walk, typename Form>
__device__ __forceinline__ void forward_by_walk(const ScanParams& params, const ScanSplit& split) {
  const ScanWarp warp = locate_warp<uint32_t>(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  lane.enter(params, warp, split);
  Walk walk(params, warp, lane);
  walk_chunk(walk, params, warp);
  lane.leave(params, warp, split);
}

/// scan_chunk_kernel (scan_chunks.cuh) by a walk through tiles: Walk<Form, kRankSteps>.
template <template <typename, int> class Walk, typename Form>
__global__ void __launch_bounds__(kWarpSize)
    scan_chunk_tiles_kernel(ScanParams params, ScanSplit split) {
  const ScanWarp warp = locate_warp<uint32_t>(params, split, Form::kChannels);
  ScanLane<Form> lane(params, warp);
  Walk<Form, 0> walk(params, warp, lane);
  walk.template run<ForwardPhase::kStates>(0, warp.num_tokens());
  lane.leave_chunk(params, warp, split, walk.sum_dt());
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
