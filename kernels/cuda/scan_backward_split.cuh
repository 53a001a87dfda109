// How the scan's backward is cut into pieces of work: tokens into segments, channel tiles into
// bundles. Both set the order of sums, so they depend on the sizes alone and not on the device.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_backward_plan.cuh"
#include "kernels/cuda/scan_math.cuh"
#include "kernels/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// From how many tokens on a sequence is cut by an estimate of the time.
constexpr int64_t kLongSequence = 256;
constexpr int64_t kShortestSegment = 64;
// Measured on one H200: from how many tiles on a short sequence is best walked whole, and how many
// segments keep the device busy.
constexpr int64_t kFewTiles = 150;
constexpr int64_t kEnoughSegments = 1000;
// Warps of the estimates.
constexpr int64_t full_device(int64_t bytes) { return 132 * resident_warps(bytes); }
constexpr int64_t kFullDevice = full_device(2);
constexpr int64_t kTokensToStart = 24;
constexpr int64_t kEnteringBytes = kGroupStates * kTileChannels * sizeof(float);  // of a tile
constexpr int64_t kMostEnteringBytes = int64_t{160} << 20;

inline int64_t num_tiles(const ScanParams& params) {
  return params.num_directions * params.batch * params.groups *
         scan_tiles_per_group(params, kTileChannels);
}

/// Tokens of each of `segments` segments: equally many, so that their warps are done together.
inline int64_t equal_segments(const ScanParams& params, int64_t segments) {
  return divide_up(divide_up(params.seqlen, segments), kTileTokens) * kTileTokens;
}

/// An estimate of how long segments of `tokens` take, in tokens that a warp of a full device walks:
/// turns of at most kFullDevice warps, each faster where there are fewer, and a factor for the
/// walks that find what enters the segments. Fitted to times of one H200.
inline double walking_time(const ScanParams& params, int64_t tokens) {
  const int64_t segments = divide_up(params.seqlen, tokens);
  const int64_t warps = num_tiles(params) * segments;
  const int64_t turns = divide_up(warps, kFullDevice);
  const double load = static_cast<double>(warps) / static_cast<double>(turns * kFullDevice);
  const auto walked = static_cast<double>(turns * (tokens + kTokensToStart));
  return walked * (0.4 + 0.6 * load) * (segments > 1 ? 2.0 : 1.0);
}

inline bool fits_entering(const ScanParams& params, int64_t tokens) {
  const int64_t warps = num_tiles(params) * divide_up(params.seqlen, tokens);
  const int64_t bytes = std::min(warps, kFullDevice) * (tokens / kTileTokens) * kEnteringBytes;
  return bytes <= kMostEnteringBytes;
}

/// The length of a long sequence's segments by the estimate.
inline int64_t long_segment_tokens(const ScanParams& params) {
  int64_t best = kShortestSegment;
  for (int64_t segments = divide_up(params.seqlen, kShortestSegment); segments > 0; --segments) {
    const int64_t tokens = equal_segments(params, segments);
    const bool is_better = walking_time(params, tokens) <= walking_time(params, best);
    if (is_better && fits_entering(params, tokens)) best = tokens;
  }
  return best;
}

inline int64_t segment_tokens(const ScanParams& params) {
  if (params.seqlen > kLongSequence) {
    return long_segment_tokens(params);
  }
  const int64_t tiles = num_tiles(params);
  int64_t tokens = kLongSequence;
  while (tokens > kShortestSegment && tiles < kFewTiles &&
         tiles * divide_up(params.seqlen, tokens) < kEnoughSegments) {
    tokens /= 2;
  }
  return equal_segments(params, divide_up(params.seqlen, tokens));
}

/// Bundles of channel tiles: as few as give a full device no more turns than single tiles do.
inline int64_t num_bundles(const ScanParams& params, int64_t rows) {
  const int64_t full = full_device(storage_bytes(params.dtype));
  const int64_t tiles = scan_tiles_per_group(params, kTileChannels);
  const auto turns = [&](int64_t bundle_tiles) {
    return bundle_tiles * divide_up(rows * params.groups * divide_up(tiles, bundle_tiles), full);
  };
  int64_t bundle_tiles = std::min(turns(1), tiles);
  while (turns(bundle_tiles) > turns(1)) --bundle_tiles;
  return params.groups * divide_up(tiles, bundle_tiles);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
