// Shapes that the host and the kernels of the scan's backward agree on, and the layout of its
// workspace.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_warp.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kWarpChannels = 8;  // four lanes a channel, four states a lane
constexpr int kBackwardWarps = 4;
constexpr int kBackwardThreads = kBackwardWarps * kWarpSize;
constexpr int kTileChannels = kBackwardWarps * kWarpChannels;
constexpr int kGroupStates = 16;   // states that a walk holds; more states take several walks
constexpr int kTileTokens = 8;     // tokens whose decays and states lie in registers
constexpr int kSegmentTiles = 26;  // tiles of a segment, whose first states lie in shared memory
constexpr int kTilePartials = 2 * kTileTokens * kGroupStates / 4;  // float4s of dB and dC of a tile

static_assert(
    kTileTokens * kTileChannels == 2 * kBackwardThreads,
    "each thread brings in and carries out two channels of one token of a tile");

/// Partial sums and intermediate results in the workspace. All counts in floats.
struct ScanBackwardPlan {
  ScanSplit split;  // segments of kSegmentTiles tiles, split.states null for one segment
  int64_t channel_tiles = 0;
  int64_t state_groups = 0;
  int64_t token_tiles = 0;  // of all segments
  bool has_pairs = false;   // channels may be read and written two at a time
  /// (directions, batch, channel tiles, state groups, token tiles, kTilePartials) float4: dB and
  /// dC.
  float4* bc_partial = nullptr;
  float* dA_partial = nullptr;     // (directions, batch, d_inner, d_state)
  float* dD_partial = nullptr;     // (directions, batch, d_inner)
  float* dbias_partial = nullptr;  // the same
  /// (directions, batch, seqlen, d_inner) float2: sums over the state groups walked so far, where
  /// there are several.
  float2* state_sums = nullptr;

  __host__ __device__ int64_t
  bc_row(const ScanParams& params, int64_t direction, int64_t batch, int64_t channel_tile) const {
    return (((direction * params.batch + batch) * channel_tiles + channel_tile) * state_groups) *
           token_tiles * kTilePartials;
  }
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
