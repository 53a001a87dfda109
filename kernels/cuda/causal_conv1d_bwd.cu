// Launches of the convolution's backward: dx and partial weight gradients, then their sum. The
// choice of kernels is that of causal_conv1d.cu.
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/causal_conv1d.h"
#include "kernels/cuda/causal_conv1d_bwd.cuh"
#include "kernels/cuda/causal_conv1d_plan.h"
#include "kernels/cuda/causal_conv1d_reduce.cuh"
#include "kernels/cuda/plan.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kPack = 2;         // channels of a thread: more would leave too few warps for an SM
constexpr int kChunkSteps = 40;  // more blocks against 3 steps computed twice

// Which kernel a problem gets, and how it divides the work.
struct BackwardPlan {
  int taps;
  int pack;
  ConvGrid grid;
  ConvPartialShape partial;
};

bool can_pack(const ConvBackwardParams& params) {
  const DType dtype = params.forward.dtype;
  bool packs = conv_inputs_pack(params.forward, kPack) && fits_packs(params.dx, dtype, kPack);
  for (int i = 0; i < params.forward.num_directions; ++i) {
    packs = packs && fits_packs(params.dout[i], dtype, kPack);
  }
  return packs;
}

BackwardPlan make_plan(const ConvParams& forward, bool packs) {
  const bool has_own_kernel = packs && forward.width >= 2 && forward.width <= 4;
  BackwardPlan plan;
  plan.taps = has_own_kernel ? static_cast<int>(forward.width) : kAnyWidthTaps;
  plan.pack = has_own_kernel ? kPack : 1;
  plan.grid = plan_conv_grid(forward, plan.taps, plan.pack, kChunkSteps, kConvBackwardUnroll);
  plan.partial.num_row_blocks = plan.grid.num_row_blocks;
  plan.partial.tile_channels = plan.grid.tile_channels;
  plan.partial.taps = plan.taps;
  plan.partial.num_columns = static_cast<int64_t>(plan.grid.num_tiles) * forward.num_directions *
                             (plan.taps + 1) * plan.grid.tile_channels;
  return plan;
}

size_t partial_bytes(const BackwardPlan& plan) {
  return static_cast<size_t>(plan.partial.num_row_blocks * plan.partial.num_columns) *
         sizeof(float);
}

template <typename T, int kTaps, int kChannels>
void launch_input_grads(const ConvBackwardParams& params, const ConvGrid& grid, void* stream) {
  const int num_directions = params.forward.num_directions;
  auto* partial = static_cast<float*>(params.workspace);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(grid.num_blocks()));
  shape.block = dim3(kConvThreads);
  shape.shared_bytes = kConvWarps * num_directions * sizeof(ConvTileSums<kTaps, kChannels>);
  shape.stream = static_cast<cudaStream_t>(stream);
  if (num_directions == 1) {
    VIM_LAUNCH(
        (causal_conv1d_backward_kernel<T, kTaps, kChannels, 1>), shape, params, grid, partial);
  } else {
    VIM_LAUNCH(
        (causal_conv1d_backward_kernel<T, kTaps, kChannels, 2>), shape, params, grid, partial);
  }
}

template <typename T>
void dispatch_input_grads(
    const ConvBackwardParams& params, const BackwardPlan& plan, void* stream) {
  switch (plan.taps) {
    case 2:
      return launch_input_grads<T, 2, kPack>(params, plan.grid, stream);
    case 3:
      return launch_input_grads<T, 3, kPack>(params, plan.grid, stream);
    case 4:
      return launch_input_grads<T, 4, kPack>(params, plan.grid, stream);
    default:
      return launch_input_grads<T, kAnyWidthTaps, 1>(params, plan.grid, stream);
  }
}

bool wants_weight_grads(const ConvBackwardParams& params) {
  bool wants = false;
  for (int i = 0; i < params.forward.num_directions; ++i) {
    wants = wants || params.dweight[i] != nullptr || params.dbias[i] != nullptr;
  }
  return wants;
}

void launch_reduce(
    const ConvBackwardParams& params, const ConvPartialShape& partial, void* stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>((partial.num_columns + kWarpSize - 1) / kWarpSize));
  shape.block = dim3(kConvReduceWarps * kWarpSize);
  shape.shared_bytes = sizeof(ConvReduceSums);
  shape.stream = static_cast<cudaStream_t>(stream);
  const auto* sums = static_cast<const float*>(params.workspace);
  VIM_LAUNCH(causal_conv1d_reduce_kernel, shape, params, partial, sums);
}

}  // namespace

size_t causal_conv1d_backward_workspace_size(const ConvBackwardParams& params) {
  check_conv_sizes(params.forward);
  // Enough for either kernel, so that it does not depend on where the arrays lie.
  return std::max(
      partial_bytes(make_plan(params.forward, false)),
      partial_bytes(make_plan(params.forward, true)));
}

void causal_conv1d_backward(const ConvBackwardParams& params, void* stream) {
  check_conv_backward(params);
  const BackwardPlan plan = make_plan(params.forward, can_pack(params));
  visit_dtype(params.forward.dtype, [&](auto tag) {
    dispatch_input_grads<decltype(tag)>(params, plan, stream);
  });
  if (wants_weight_grads(params)) {
    launch_reduce(params, plan.partial, stream);
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
