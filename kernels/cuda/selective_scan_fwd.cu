// Launches of the scan's forward. With many rows a lane holds all states of a channel; with fewer,
// lanes share a channel; with few the sequence is cut as well. Which form is taken depends on the
// sizes alone, so that results do not depend on the device.
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_chunks.cuh"
#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_forward_block.cuh"
#include "kernels/cuda/scan_forward_lane.cuh"
#include "kernels/cuda/scan_forward_team.cuh"
#include "kernels/cuda/scan_launch.h"
#include "kernels/cuda/selective_scan.h"

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

void require(bool holds, const char* name, const char* expected, int64_t actual) {
  if (!holds) {
    throw std::invalid_argument(
        std::string("selective_scan: ") + name + " must be " + expected + ", got " +
        std::to_string(actual));
  }
}

// Offsets within a sample are 32 bits wide.
template <typename View>
void require_short_sample(const ScanParams& params, const View& view) {
  const bool fits = params.seqlen * view.token_stride <= int64_t{1} << 31;
  require(fits, "seqlen times the token stride", "at most 2^31", params.seqlen * view.token_stride);
}

void require_short_samples(const ScanParams& params) {
  require_short_sample(params, params.z);
  require_short_sample(params, params.out);
  require_short_sample(params, params.y);
  for (int i = 0; i < params.num_directions; ++i) {
    const ScanDirection& in = params.direction[i];
    for (const TokenView& view : {in.u, in.delta, in.B, in.C}) require_short_sample(params, view);
  }
}

int64_t num_channel_warps(const ScanParams& params) {
  return params.batch * params.num_directions * divide_up(params.d_inner, kWarpSize);
}

/// True if `pack` channels of every token of every view can be moved as one.
bool packs_channels(const ScanParams& params, int pack) {
  const auto fits = [&](const auto& view) { return fits_packs(view, params.dtype, pack); };
  bool result = params.d_inner / params.groups % pack == 0 && fits(params.z) && fits(params.out) &&
                fits(params.y);
  for (int i = 0; i < params.num_directions; ++i) {
    result = result && fits(params.direction[i].u) && fits(params.direction[i].delta);
  }
  return result;
}

/// True if dt_input is such that its product with dt_weight can be made in the walk.
bool fits_projection(const ScanParams& params) {
  bool result = params.dtype != DType::kFloat32 && params.dt_rank > 0 && params.dt_rank % 8 == 0 &&
                params.dt_rank <= kMostRankSteps * kRankStep && params.groups == 1;
  for (int i = 0; i < params.num_directions; ++i) {
    const ScanDirection& in = params.direction[i];
    result = result && fits_packs(in.dt_input, params.dtype, 8) && is_aligned(in.dt_weight, 4);
  }
  return result;
}

/// True for what ScanForm calls plain, with 16 states.
bool is_plain(const ScanParams& params) {
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
int block_lanes(const ScanParams& params) {
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
bool chunks_take_lanes(const ScanParams& params, int64_t num_chunks) {
  const int64_t num_warps = num_channel_warps(params);
  return num_chunks > 1 && num_warps >= kLaneCutWarps && num_warps * num_chunks >= kManyLaneWarps;
}

/// The last multiple of kShortestChunk up to `tokens`, but from one to kLongestChunk.
int64_t round_chunk(int64_t tokens) {
  const int64_t steps = std::max(tokens / kShortestChunk, int64_t{1});
  return std::min(steps * kShortestChunk, kLongestChunk);
}

bool cut_pays(int64_t seqlen, int64_t num_warps) {
  const int64_t enough = num_warps < kLoneWarps ? kLoneCutWarps : kCutWarps;
  return seqlen * (enough - num_warps) > kCutGain;
}

/// Tokens of a chunk; all of them where the sequence is not cut. By the sizes alone, as workspaces
/// are asked for.
int64_t chunk_tokens(const ScanParams& params) {
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
int64_t forward_chunk(const ScanParams& params) {
  return block_lanes(params) > 0 ? params.seqlen : chunk_tokens(params);
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

/// A launch of whole sequences, `lanes` lanes a channel.
template <typename T>
void launch_blocks(const ScanParams& params, const ScanSplit& whole, int lanes, void* stream) {
  const auto launch = [&](auto form) {
    using Form = decltype(form);
    using Shared = ForwardBlockShared<Form>;
    static_assert(sizeof(Shared) <= kMostBlockShared, "see block_lanes");
    LaunchShape shape = warp_shape<Form, Shared>(params, whole, params.num_directions, stream);
    shape.block.x *= kBlockWarps;
    shape.shared_bytes = sizeof(Shared);
    VIM_LAUNCH((scan_forward_block_kernel<Form>), shape, params, whole);
  };
  if (lanes == 8) {
    launch(PlainForm<T, 8>{});
  } else if constexpr (sizeof(T) == 2) {
    launch(PlainForm<T, 4>{});
  }
}

/// A launch of the plain case by warps of tiles; kRankSteps: of the product that makes delta.
template <typename T, int kRankSteps>
void launch_tiles(const ScanParams& params, const ScanSplit& split, void* stream) {
  const bool has_many_rows =
      scan_forward_takes_lanes(params) &&
      (params.kept_states != nullptr || num_channel_warps(params) >= kPairWarps);
  const int warps = params.num_directions;
  if (has_many_rows || chunks_take_lanes(params, split.num_chunks)) {
    using Form = PlainForm<T, 1>;
    const LaunchShape shape =
        warp_shape<Form, ForwardLaneShared<Form, kRankSteps>>(params, split, warps, stream);
    VIM_LAUNCH((scan_forward_lane_kernel<Form, kRankSteps>), shape, params, split);
  } else {
    const auto launch = [&](auto form) {
      using Form = decltype(form);
      LaunchShape shape =
          warp_shape<Form, ForwardTeamShared<Form, kRankSteps>>(params, split, warps, stream);
      shape.block.x *= Form::kWalkWarps;
      VIM_LAUNCH((scan_forward_team_kernel<Form, kRankSteps>), shape, params, split);
    };
    visit_team_form<T>(params, split, launch);
  }
}

template <typename T>
void launch_plain(const ScanParams& params, const ScanSplit& split, void* stream) {
  const int lanes = block_lanes(params);
  if (lanes > 0) {
    launch_blocks<T>(params, split, lanes, stream);
  } else if (params.dt_rank == 0) {
    launch_tiles<T, 0>(params, split, stream);
  } else if constexpr (sizeof(T) == 2) {
    params.dt_rank <= kRankStep ? launch_tiles<T, 1>(params, split, stream)
                                : launch_tiles<T, kMostRankSteps>(params, split, stream);
  }
}

template <typename T>
void launch_general(const ScanParams& params, const ScanSplit& split, void* stream) {
  const int64_t num_warps = num_channel_warps(params) * split.num_chunks;
  visit_general_form<T>(params, num_warps, [&](auto form) {
    using Form = decltype(form);
    const LaunchShape shape =
        warp_shape<Form, typename Form::Shared>(params, split, params.num_directions, stream);
    VIM_LAUNCH((scan_forward_kernel<Form>), shape, params, split);
  });
}

/// What each chunk leaves of a state of 0, in the plain case.
template <template <typename, int> class Walk, typename Form, typename Shared>
void launch_plain_chunks(const ScanParams& params, const ScanSplit& split, void* stream) {
  const LaunchShape shape = warp_shape<Form, Shared>(params, split, 1, stream);
  VIM_LAUNCH((scan_chunk_tiles_kernel<Walk, Form>), shape, params, split);
}

/// The same in every case.
template <typename T>
void launch_chunks(const ScanParams& params, const ScanSplit& split, void* stream) {
  if (is_plain(params)) {
    using Lane = PlainForm<T, 1>;
    using Pair = PlainForm<T, 2>;
    return chunks_take_lanes(params, split.num_chunks)
               ? launch_plain_chunks<ForwardLaneWalk, Lane, ForwardLaneShared<Lane, 0>>(
                     params, split, stream)
               : launch_plain_chunks<ForwardTeamWalk, Pair, ForwardTeamShared<Pair, 0>>(
                     params, split, stream);
  }
  const int64_t num_warps = num_channel_warps(params) * split.num_chunks;
  visit_general_form<T>(params, num_warps, [&](auto form) {
    using Form = decltype(form);
    const LaunchShape shape = warp_shape<Form, typename Form::Shared>(params, split, 1, stream);
    VIM_LAUNCH((scan_chunk_kernel<Form>), shape, params, split);
  });
}

}  // namespace

bool selective_scan_projects_delta(const ScanParams& params) {
  check_scan(params);
  return fits_projection(params) && is_plain(params) && block_lanes(params) == 0 &&
         chunk_tokens(params) == params.seqlen;
}

bool scan_forward_takes_lanes(const ScanParams& params) {
  return is_plain(params) && num_channel_warps(params) >= kFewWarps;
}

void check_scan(const ScanParams& params) {
  require(params.batch >= 1, "batch", "at least 1", params.batch);
  require(params.seqlen >= 1, "seqlen", "at least 1", params.seqlen);
  require(params.d_inner >= 1, "d_inner", "at least 1", params.d_inner);
  const bool fits = params.d_state >= 1 && params.d_state <= kMaxScanStates;
  require(fits, "d_state", "1 to 256", params.d_state);
  const bool divides = params.groups >= 1 && params.d_inner % params.groups == 0;
  require(divides, "groups", "a divisor of d_inner", params.groups);
  const bool is_pair = params.num_directions == 2;
  require(is_pair || params.num_directions == 1, "num_directions", "1 or 2", params.num_directions);
  if (is_pair && params.direction[0].reversed == params.direction[1].reversed) {
    throw std::invalid_argument("selective_scan: two directions must walk opposite ways");
  }
  require_short_samples(params);
}

int64_t scan_split_floats(const ScanParams& params, int64_t chunk) {
  const int64_t num_chunks = divide_up(params.seqlen, chunk);
  if (num_chunks == 1) {
    return 0;
  }
  return params.num_directions * params.batch * num_chunks * params.d_inner * (params.d_state + 1);
}

void scan_chunk_states(const ScanParams& params, int64_t chunk, float* floats, void* stream) {
  const ScanSplit split = make_split(params, chunk, floats);
  if (split.num_chunks == 1) {
    return;
  }
  visit_dtype(
      params.dtype, [&](auto storage) { launch_chunks<decltype(storage)>(params, split, stream); });
  launch_carry(params, split, /*backwards=*/false, static_cast<cudaStream_t>(stream));
}

size_t selective_scan_forward_workspace_size(const ScanParams& params) {
  check_scan(params);
  return static_cast<size_t>(scan_split_floats(params, chunk_tokens(params))) * sizeof(float);
}

void selective_scan_forward(const ScanParams& params, void* stream) {
  check_scan(params);
  if (params.dt_rank > 0 && !selective_scan_projects_delta(params)) {
    throw std::invalid_argument("selective_scan: these sizes need delta itself, not its factors");
  }
  if (params.kept_states != nullptr && !scan_forward_takes_lanes(params)) {
    throw std::invalid_argument("selective_scan: these sizes keep no states");
  }
  auto* floats = static_cast<float*>(params.workspace);
  const int64_t chunk = forward_chunk(params);
  scan_chunk_states(params, chunk, floats, stream);
  const ScanSplit split = make_split(params, chunk, floats);
  visit_dtype(params.dtype, [&](auto storage) {
    using T = decltype(storage);
    is_plain(params) ? launch_plain<T>(params, split, stream)
                     : launch_general<T>(params, split, stream);
  });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
