// Which form the scan's forward takes. With many rows a lane holds all states of a channel; with
// fewer, lanes share a channel; with few the sequence is cut as well. That depends on the sizes
// alone, so that results do not depend on the device.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_forward_block.cuh"
#include "kernels/cuda/scan_projection.cuh"
#include "kernels/cuda/scan_warp.cuh"
#include "kernels/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// Measured on one H200; docs/kernels.md has the figures. Warps here have 32 channels.
constexpr int64_t kFewWarps = 700;   // below this, one lane a channel leaves schedulers idle
constexpr int64_t kPairWarps = 800;  // the same where no states are kept: two lanes do better
// Below these, while a multiprocessor has room for all blocks that come to it: two lanes a channel
// and a helper; four lanes; two and a helper; four and a helper, if tokens are many or no
// multiprocessor has a second block.
constexpr int64_t kTeamWarps = 400;
constexpr int64_t kFourWarps = 320;
constexpr int64_t kPairHelpWarps = 265;
constexpr int64_t kHelpWarps = 198;
constexpr int64_t kHelpTokens = 640;
constexpr int64_t kLoneWarps = 66;
// A sequence is cut if each token gains so much, by the warps that are missing to so many (the
// second number below kLoneWarps), that it pays for two more launches.
constexpr int64_t kCutWarps = 96;
constexpr int64_t kLoneCutWarps = 72;
constexpr int64_t kCutGain = 25000;
constexpr int64_t kGeneralCutWarps = 350;  // the same where the case is not plain, without a gain
constexpr int64_t kEnoughWarps = 800;      // that chunks should make
constexpr int64_t kLongestChunk = 384;
constexpr int64_t kShortestChunk = 32;  // chunks are multiples of it
// A lane a channel in chunks: warps before the cut, that chunks should make, and at least do.
constexpr int64_t kLaneCutWarps = 40;
constexpr int64_t kEnoughLaneWarps = 1536;
constexpr int64_t kManyLaneWarps = 1400;
constexpr int64_t kMostBlocks = 128;  // of whole sequences: each has a multiprocessor for itself
// Steps of the product that makes delta, in blocks of whole sequences and in tiles.
constexpr int kBlockRankSteps = 2;
constexpr int kTileRankSteps = 1;

inline int64_t num_channel_warps(const ScanParams& params) {
  return params.batch * params.num_directions * divide_up(params.d_inner, kWarpSize);
}

/// True if `pack` channels of every token of every view can be moved as one.
inline bool packs_channels(const ScanParams& params, int pack) {
  const auto fits = [&](const auto& view) { return fits_packs(view, params.dtype, pack); };
  bool result = params.d_inner / params.groups % pack == 0 && fits(params.z) && fits(params.out) &&
                fits(params.y);
  for (int i = 0; i < params.num_directions; ++i) {
    result = result && fits(params.direction[i].u) && fits(params.direction[i].delta);
  }
  return result;
}

/// True for what ScanForm calls plain, with 16 states.
inline bool is_plain(const ScanParams& params) {
  const int pack = static_cast<int>(16 / storage_bytes(params.dtype));
  bool result = packs_channels(params, pack) && params.d_state == 16 && params.z.data != nullptr &&
                params.delta_softplus;
  for (int i = 0; i < params.num_directions; ++i) {
    const ScanDirection& in = params.direction[i];
    result = result && in.delta_bias != nullptr && fits_packs(in.B, params.dtype, 4) &&
             fits_packs(in.C, params.dtype, 4);
  }
  return result;
}

/// Lanes that share a channel where blocks hold whole sequences: as many as leave no block waiting
/// for another; 0 where that form is not for these sizes.
inline int block_lanes(const ScanParams& params) {
  if (params.seqlen > kBlockTokens || !is_plain(params)) {
    return 0;
  }
  const int narrowest = params.dtype == DType::kFloat32 ? 8 : 4;  // by shared memory
  for (int lanes = 8; lanes >= narrowest; lanes /= 2) {
    const int64_t tiles = params.groups * scan_tiles_per_group(params, kWarpSize / lanes);
    if (params.batch * tiles <= kMostBlocks) return lanes;
  }
  return 0;
}

/// Whether so many chunks are walked with a lane a channel: there are many warps, and not by so
/// many chunks that joining them would take long.
inline bool chunks_take_lanes(const ScanParams& params, int64_t num_chunks) {
  const int64_t num_warps = num_channel_warps(params);
  return num_chunks > 1 && num_warps >= kLaneCutWarps && num_warps * num_chunks >= kManyLaneWarps;
}

/// The last multiple of kShortestChunk up to `tokens`, but from one to kLongestChunk.
inline int64_t round_chunk(int64_t tokens) {
  const int64_t steps = std::max(tokens / kShortestChunk, int64_t{1});
  return std::min(steps * kShortestChunk, kLongestChunk);
}

inline bool cut_pays(int64_t seqlen, int64_t num_warps) {
  const int64_t enough = num_warps < kLoneWarps ? kLoneCutWarps : kCutWarps;
  return seqlen * (enough - num_warps) > kCutGain;
}

/// Tokens of a chunk; all of them where the sequence is not cut. By the sizes alone, as workspaces
/// are asked for.
inline int64_t chunk_tokens(const ScanParams& params) {
  const int64_t num_warps = num_channel_warps(params);
  const int64_t for_pairs = divide_up(num_warps * params.seqlen, kEnoughWarps);
  const int64_t chunk = round_chunk(for_pairs + kShortestChunk - 1);
  const bool is_cut = is_plain(params) ? cut_pays(params.seqlen, num_warps)
                                       : params.seqlen > 3 * chunk && num_warps < kGeneralCutWarps;
  if (!is_cut) {
    return params.seqlen;
  }
  const int64_t for_lanes = num_warps * params.seqlen / kEnoughLaneWarps;
  const int64_t lane_chunk = round_chunk(for_lanes + kShortestChunk / 2);
  return chunks_take_lanes(params, divide_up(params.seqlen, lane_chunk)) ? lane_chunk : chunk;
}

/// The same for the forward, which may hold whole sequences.
inline int64_t forward_chunk(const ScanParams& params) {
  return block_lanes(params) > 0 ? params.seqlen : chunk_tokens(params);
}

/// True if, in the plain case, dt_input is such that its product with dt_weight is made in the
/// walk: a chunk would be multiplied twice, and a wider product costs a walk by tiles more time
/// than the matrix product takes.
inline bool fits_projection(const ScanParams& params) {
  const int steps = block_lanes(params) > 0 ? kBlockRankSteps : kTileRankSteps;
  bool result = params.dtype != DType::kFloat32 && params.dt_rank > 0 && params.dt_rank % 8 == 0 &&
                params.dt_rank <= steps * kRankStep && params.groups == 1 &&
                forward_chunk(params) == params.seqlen;
  for (int i = 0; i < params.num_directions; ++i) {
    const ScanDirection& in = params.direction[i];
    result = result && fits_packs(in.dt_input, params.dtype, 8) && is_aligned(in.dt_weight, 4);
  }
  return result;
}

/// Calls f with the general ScanForm that fits: how many lanes hold a channel.
template <typename T, typename F>
void visit_general_form(const ScanParams& params, int64_t num_warps, F f) {
  if (params.d_state > 64) {
    f(ScanForm<T, 16, 16>{});
  } else if (params.d_state > 16) {
    f(ScanForm<T, 16, 4>{});
  } else if (num_warps < kFewWarps) {
    f(ScanForm<T, 4, 4>{});
  } else {
    f(ScanForm<T, 16, 1>{});
  }
}

/// The plain case with kLanes lanes a channel and kWarps warps a walk.
template <typename T, int kLanes, int kWarps = 1>
using PlainForm = ScanForm<T, 16 / kLanes, kLanes, true, kWarps>;

/// Calls f with the form of the plain case by teams.
template <typename T, typename F>
void visit_team_form(const ScanParams& params, const ScanSplit& split, F f) {
  const int64_t num_warps = num_channel_warps(params);
  const bool takes_fours = num_warps < kHelpWarps || num_warps >= kPairHelpWarps;
  if (split.num_chunks > 1 || num_warps >= kTeamWarps) {
    f(PlainForm<T, 2>{});
  } else if (num_warps >= kFourWarps || !takes_fours) {
    f(PlainForm<T, 2, 2>{});
  } else if (num_warps < kLoneWarps || (num_warps < kHelpWarps && params.seqlen >= kHelpTokens)) {
    f(PlainForm<T, 4, 2>{});
  } else {
    f(PlainForm<T, 4>{});
  }
}

/// Calls f with the steps, up to kMost, of the product that makes delta, as a
/// std::integral_constant; 0 where delta is given.
template <typename T, int kMost, typename F>
void visit_rank_steps(const ScanParams& params, F f) {
  if (params.dt_rank == 0) {
    f(std::integral_constant<int, 0>{});
  } else if constexpr (sizeof(T) == 2) {
    if (params.dt_rank <= kRankStep) {
      f(std::integral_constant<int, 1>{});
    } else if constexpr (kMost > 1) {
      f(std::integral_constant<int, kMost>{});
    }
  }
}

/// A launch with `warps` warps, which share `Shared` each, in every block.
template <typename Form, typename Shared>
LaunchShape warp_shape(const ScanParams& params, const ScanSplit& split, int warps, void* stream) {
  const int64_t tiles = params.groups * scan_tiles_per_group(params, Form::kChannels);
  const int64_t directions = params.num_directions / warps;
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(directions * params.batch * split.num_chunks * tiles));
  shape.block = dim3(static_cast<unsigned>(warps * kWarpSize));
  shape.shared_bytes = warps * sizeof(Shared);
  shape.stream = static_cast<cudaStream_t>(stream);
  return shape;
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
