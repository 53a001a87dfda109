// Launches for what enters the chunks of a cut sequence, which the scan's forward and backward
// need.
#include <cuda_runtime.h>

#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_chunks.cuh"
#include "kernels/cuda/scan_forward_lane.cuh"
#include "kernels/cuda/scan_forward_plan.cuh"
#include "kernels/cuda/scan_forward_team.cuh"
#include "kernels/cuda/scan_launch.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

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

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
