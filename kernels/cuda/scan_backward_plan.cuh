// Shapes that the host and the kernels of the scan's backward agree on, and the layout of its
// workspace.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_warp.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kOctetChannels = 8;  // that a warp walks at once: four lanes a channel
constexpr int kLaneStates = 4;
constexpr int kGroupStates = 16;   // states that a walk holds; more states take several walks
constexpr int kTileTokens = 8;     // tokens whose decays and states lie in registers
constexpr int kSegmentTiles = 32;  // tiles of a segment, whose first states a warp keeps
constexpr int kTilePartials = 2 * kTileTokens * kGroupStates / 4;  // float4s of dB and dC of a tile

/// How a warp of the backward works. It has kNumOctets octets of channels, which share its loads
/// and its sums for dB and dC. kPlain, known when the kernel is compiled, is the model's own case:
/// gate, softplus, a single full group of states, whole octets, everything aligned to its copies.
template <typename T, int kNumOctets, bool kPlain>
struct ScanBackwardForm {
  using Storage = T;
  static constexpr bool kIsPlain = kPlain;
  static constexpr int kOctets = kNumOctets;
  static constexpr int kChannels = kNumOctets * kOctetChannels;
  static constexpr int kLaneChannels = kChannels / 4;  // of one token, which a lane brings in
  static constexpr int kWalked = 1;  // octets walked back at once: two spill registers
  /// Warps that registers and shared memory of a multiprocessor have room for.
  static constexpr int kResidentWarps = 8;
};

/// Partial sums and intermediate results in the workspace.
struct ScanBackwardPlan {
  ScanSplit split;  // segments of kSegmentTiles tiles, split.states null for one segment
  int64_t channel_tiles = 0;
  int64_t state_groups = 0;
  int64_t token_tiles = 0;    // of all segments
  int64_t segment_tiles = 0;  // of the longest segment
  int64_t num_warps = 0;      // that run at once; each takes the next tile when it is done
  /// (warps, segment tiles, octets, lanes): the states that enter the tiles of a segment.
  float4* entering = nullptr;
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

/// Where a warp works, and its view of one segment of the tokens.
struct ScanBlock {
  int64_t batch;
  int64_t channel_tile;
  ScanTile tile;
  int num_channels;  // of the tile
  int direction;
  bool reversed;
  int64_t segment;
  int64_t begin;  // tokens of the segment
  int64_t end;
  int64_t state_group;

  __device__ int num_tokens() const { return static_cast<int>(end - begin); }
  __device__ int num_tiles() const { return (num_tokens() + kTileTokens - 1) / kTileTokens; }
  /// Token of a step of the walk through the segment; only for steps below end - begin.
  __device__ int64_t token(int step) const { return reversed ? end - 1 - step : begin + step; }
  /// Row of this sample in arrays that begin (directions, batch).
  __device__ int64_t sample(const ScanParams& params) const {
    return direction * params.batch + batch;
  }
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
