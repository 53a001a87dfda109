// Shapes that the host and the kernels of the scan's backward agree on, and the layout of its
// workspace.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_kept_states.cuh"
#include "kernels/cuda/scan_warp.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kTileChannels = kWarpSize;                           // of a warp: one for each lane
constexpr int kTilePartials = 2 * kTileTokens * kGroupStates / 4;  // float4s of dB and dC of a tile

/// Warps that registers and shared memory of a multiprocessor have room for, by bytes of storage.
constexpr int resident_warps(int64_t bytes) { return bytes == sizeof(float) ? 8 : 12; }

/// Storage of the tensors, and whether the case is the model's own, known when the kernel is
/// compiled: gate, softplus, a single full group of states, all inputs aligned to their copies.
/// kKept: the forward kept the states that enter the tiles of a segment, which is the only one.
/// kExact: sums over channels keep the accuracy of float, which the tensor cores take longer for.
template <typename T, bool kPlain, bool kKept = false, bool kExact = sizeof(T) == sizeof(float)>
struct ScanBackwardForm {
  static_assert(kPlain || !kKept, "states are kept in the model's own case");
  using Storage = T;
  using Entering = std::conditional_t<kKept, T, float>;  // storage of states that enter tiles
  static constexpr bool kIsPlain = kPlain;
  static constexpr bool kHasKept = kKept;
  static constexpr bool kIsExact = kExact;
  static constexpr int kResidentWarps = resident_warps(sizeof(T));
};

/// Partial sums and intermediate results in the workspace.
struct ScanBackwardPlan {
  ScanSplit split;           // into segments of whole tiles; split.states null for one segment
  float* carried = nullptr;  // like split.states: the gradients that enter from the other side
  /// Of all groups. A bundle is every n-th channel tile of a group with n bundles; a warp takes one
  /// after another and adds up their dB and dC.
  int64_t bundles = 0;
  int64_t state_groups = 0;
  int64_t token_tiles = 0;    // of all segments
  int64_t segment_tiles = 0;  // of each segment but the last
  int64_t num_warps = 0;      // that run at once; each takes the next segment when it is done
  /// (warps, segment tiles, passes, lanes): the states that enter the tiles of a segment, unless
  /// the forward kept them.
  float4* entering = nullptr;
  /// (directions, batch, bundles, state groups, token tiles, kTilePartials) float4: dB and dC.
  float4* bc_partial = nullptr;
  float* dA_partial = nullptr;     // (directions, batch, segments, d_inner, d_state)
  float* dD_partial = nullptr;     // (directions, batch, segments, d_inner)
  float* dbias_partial = nullptr;  // the same
  /// (directions, batch, seqlen, d_inner) float2: sums over the state groups walked so far, where
  /// there are several.
  float2* state_sums = nullptr;
  /// The ungated sum, where the walk back does the gate's part along; absent: scan_gate_kernel did.
  TokenView gate_y;

  __host__ __device__ int64_t
  bc_row(const ScanParams& params, int64_t direction, int64_t batch, int64_t bundle) const {
    return (((direction * params.batch + batch) * bundles + bundle) * state_groups) * token_tiles *
           kTilePartials;
  }
};

/// Where a warp works, and its view of one segment of the tokens.
struct ScanBlock {
  int64_t batch;
  int64_t bundle;
  bool is_first_of_bundle;
  ScanTile tile;
  int num_channels;  // of the tile
  int direction;
  bool reversed;
  int64_t segment;
  int64_t row;    // of the segment in arrays that begin (directions, batch, segments)
  int64_t begin;  // tokens of the segment
  int64_t end;
  int64_t state_group;

  __device__ int num_tokens() const { return static_cast<int>(end - begin); }
  __device__ int num_tiles() const { return (num_tokens() + kTileTokens - 1) / kTileTokens; }
  /// Token of a step of the walk through the segment; only for steps below end - begin.
  __device__ int64_t token(int step) const { return reversed ? end - 1 - step : begin + step; }
  /// The first steps of the segment, whose tokens' gates this direction does: two share them.
  __device__ int num_gated(const ScanParams& params) const {
    const int64_t middle = (params.seqlen + 1) / 2;
    const int64_t all = end - begin;
    if (params.num_directions == 1) {
      return static_cast<int>(all);
    }
    return static_cast<int>(min(max(reversed ? end - middle : middle - begin, int64_t{0}), all));
  }
  /// This segment's part, (d_inner, d_state), of an array (directions, batch, segments, ...).
  __device__ float* states_of(const ScanParams& params, float* array) const {
    return array == nullptr ? nullptr : array + row * params.d_inner * params.d_state;
  }
  /// Row of this sample in arrays that begin (directions, batch).
  __device__ int64_t sample(const ScanParams& params) const {
    return direction * params.batch + batch;
  }
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
