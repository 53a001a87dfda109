// Launches of the scan's forward, in the form that scan_forward_plan.cuh chooses.
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_chunks.cuh"
#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_forward_block.cuh"
#include "kernels/cuda/scan_forward_lane.cuh"
#include "kernels/cuda/scan_forward_plan.cuh"
#include "kernels/cuda/scan_forward_team.cuh"
#include "kernels/cuda/scan_launch.h"
#include "kernels/cuda/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

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

/// A launch of whole sequences, `lanes` lanes a channel. kRankSteps: of the product that makes
/// delta.
template <typename T, int kRankSteps>
void launch_blocks(const ScanParams& params, const ScanSplit& whole, int lanes, void* stream) {
  const auto launch = [&](auto form) {
    using Form = decltype(form);
    using Shared = ForwardBlockShared<Form>;
    static_assert(sizeof(Shared) <= kMostBlockShared, "see block_lanes");
    LaunchShape shape = warp_shape<Form, Shared>(params, whole, params.num_directions, stream);
    shape.block.x *= kBlockWarps;
    shape.shared_bytes = sizeof(Shared);
    VIM_LAUNCH((scan_forward_block_kernel<Form, kRankSteps>), shape, params, whole);
  };
  if (lanes == 8) {
    launch(PlainForm<T, 8>{});
  } else if constexpr (sizeof(T) == 2) {
    launch(PlainForm<T, 4>{});
  }
}

/// The same by warps of tiles.
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
    visit_rank_steps<T, kBlockRankSteps>(params, [&](auto steps) {
      launch_blocks<T, decltype(steps)::value>(params, split, lanes, stream);
    });
  } else {
    visit_rank_steps<T, kTileRankSteps>(params, [&](auto steps) {
      launch_tiles<T, decltype(steps)::value>(params, split, stream);
    });
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

}  // namespace

bool selective_scan_projects_delta(const ScanParams& params) {
  check_scan(params);
  return is_plain(params) && fits_projection(params);
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
