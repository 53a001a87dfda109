// Launches of the scan's forward. With many rows a lane holds all states of a channel; with few,
// four lanes share a channel and the sequence is cut into chunks. Which form is taken depends on
// the sizes alone, so that results do not depend on the device.
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_chunks.cuh"
#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_forward_lane.cuh"
#include "kernels/cuda/scan_launch.h"
#include "kernels/cuda/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// Measured on one H200; docs/kernels.md has the figures.
constexpr int64_t kFewWarps = 700;      // below this, one lane a channel leaves schedulers idle
constexpr int64_t kVeryFewWarps = 256;  // below this, short sequences are worth a cut as well
constexpr int64_t kEnoughWarps = 1200;  // that chunks should make
constexpr int64_t kLongestChunk = 128;
constexpr int64_t kShortestChunk = 32;
constexpr int64_t kLongSequence = 384;

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

int64_t chunk_tokens(const ScanParams& params) {
  const int64_t num_warps = num_channel_warps(params);
  int64_t chunk = kLongestChunk;
  while (chunk > kShortestChunk && num_warps * divide_up(params.seqlen, chunk) < kEnoughWarps) {
    chunk /= 2;
  }
  const bool is_cut = params.seqlen > 3 * chunk && num_warps < kFewWarps &&
                      (params.seqlen > kLongSequence || num_warps < kVeryFewWarps);
  return is_cut ? chunk : params.seqlen;
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

/// True for what ScanForm calls plain, with `padded` states and packs of `pack` channels.
bool is_plain(const ScanParams& params, int padded, int pack) {
  bool result = packs_channels(params, pack) && params.d_state == padded &&
                params.z.data != nullptr && params.delta_softplus;
  for (int i = 0; i < params.num_directions; ++i) {
    const ScanDirection& in = params.direction[i];
    result = result && in.delta_bias != nullptr && is_aligned(in.delta_bias, 16) &&
             fits_packs(in.B, params.dtype, 4) && fits_packs(in.C, params.dtype, 4);
  }
  return result;
}

/// Calls f with the ScanForm that fits: how many lanes hold a channel, how wide the accesses are.
template <typename T, typename F>
void visit_form(const ScanParams& params, int64_t num_warps, F f) {
  constexpr int kPack = 16 / sizeof(T);
  const bool plain = is_plain(params, 16, kPack);
  if (params.d_state > 64) {
    f(ScanForm<T, 16, 16, 1>{});
  } else if (params.d_state > 16) {
    f(ScanForm<T, 16, 4, 1>{});
  } else if (num_warps < kFewWarps) {
    plain ? f(ScanForm<T, 4, 4, kPack, true>{}) : f(ScanForm<T, 4, 4, 1>{});
  } else {
    plain ? f(ScanForm<T, 16, 1, kPack, true>{}) : f(ScanForm<T, 16, 1, 1>{});
  }
}

/// A launch with `warps` directions in each block.
template <typename Form>
LaunchShape form_shape(const ScanParams& params, const ScanSplit& split, int warps, void* stream) {
  const int64_t tiles = params.groups * scan_tiles_per_group(params, Form::kChannels);
  const int64_t directions = params.num_directions / warps;
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(directions * params.batch * split.num_chunks * tiles));
  shape.block = dim3(static_cast<unsigned>(warps * kWarpSize));
  shape.shared_bytes = warps * sizeof(typename Form::Shared);
  shape.stream = static_cast<cudaStream_t>(stream);
  return shape;
}

/// The launch of the form with a channel a lane.
template <typename Form, int kRankSteps>
void launch_lanes(const ScanParams& params, const ScanSplit& split, LaunchShape shape) {
  shape.shared_bytes = params.num_directions * sizeof(ForwardLaneShared<Form, kRankSteps>);
  VIM_LAUNCH((scan_forward_lane_kernel<Form, kRankSteps>), shape, params, split);
}

template <typename Form>
void launch_forward(const ScanParams& params, const ScanSplit& split, void* stream) {
  const LaunchShape shape = form_shape<Form>(params, split, params.num_directions, stream);
  if constexpr (!Form::kIsPlain || Form::kChannelLanes > 1) {
    VIM_LAUNCH((scan_forward_kernel<Form>), shape, params, split);
  } else if (params.dt_rank == 0) {
    launch_lanes<Form, 0>(params, split, shape);
  } else if constexpr (sizeof(typename Form::Storage) == 2) {
    params.dt_rank <= kRankStep ? launch_lanes<Form, 1>(params, split, shape)
                                : launch_lanes<Form, kMostRankSteps>(params, split, shape);
  }
}

}  // namespace

bool selective_scan_projects_delta(const ScanParams& params) {
  check_scan(params);
  return fits_projection(params) && scan_forward_takes_lanes(params);
}

bool scan_forward_takes_lanes(const ScanParams& params) {
  const int pack = static_cast<int>(16 / storage_bytes(params.dtype));
  return is_plain(params, 16, pack) && num_channel_warps(params) >= kFewWarps &&
         chunk_tokens(params) == params.seqlen;
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
  visit_dtype(params.dtype, [&](auto storage) {
    const int64_t num_warps = num_channel_warps(params) * split.num_chunks;
    visit_form<decltype(storage)>(params, num_warps, [&](auto form) {
      using Form = decltype(form);
      const LaunchShape shape = form_shape<Form>(params, split, 1, stream);
      VIM_LAUNCH((scan_chunk_kernel<Form>), shape, params, split);
    });
  });
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
  scan_chunk_states(params, chunk_tokens(params), floats, stream);
  const ScanSplit split = make_split(params, chunk_tokens(params), floats);
  visit_dtype(params.dtype, [&](auto storage) {
    const int64_t num_warps = num_channel_warps(params) * split.num_chunks;
    visit_form<decltype(storage)>(params, num_warps, [&](auto form) {
      using Form = decltype(form);
      launch_forward<Form>(params, split, stream);
    });
  });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
