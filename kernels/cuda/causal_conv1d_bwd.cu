// Launches of the convolution's backward: dx and partial weight gradients, then their sum. The
// choice of kernels is that of causal_conv1d.cu.
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/cuda/causal_conv1d.h"
#include "kernels/cuda/causal_conv1d_bwd.cuh"
#include "kernels/cuda/causal_conv1d_plan.h"
#include "kernels/cuda/causal_conv1d_reduce.cuh"
#include "kernels/cuda/plan.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kPack = 2;  // channels of a thread: more would leave too few warps for an SM
constexpr int kProductTaps = 4;
constexpr int kMaxDepthSteps = 4;
constexpr int kProductVector = 8;  // elements of a product's sides that are moved at once

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

BackwardPlan make_plan(const ConvParams& forward, bool packs, bool multiplies) {
  const bool has_own_kernel = packs && forward.width >= 2 && forward.width <= 4;
  BackwardPlan plan;
  plan.taps = has_own_kernel ? static_cast<int>(forward.width) : kAnyWidthTaps;
  plan.pack = has_own_kernel ? kPack : 1;
  plan.grid = plan_fastest_conv_grid(
      forward,
      plan.taps,
      plan.pack,
      kConvBackwardUnroll,
      conv_backward_blocks(plan.taps, multiplies));
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

template <typename T, int kTaps, int kChannels, int kDirections, int kDepthSteps>
void launch_kernel(const ConvBackwardParams& params, const ConvGrid& grid, void* stream) {
  constexpr size_t kSumBytes = kConvWarps * kDirections * sizeof(ConvTileSums<kTaps, kChannels>);
  constexpr size_t kProductBytes = ConvProducts<T, kDepthSteps, kDirections>::kSharedBytes;
  auto* partial = static_cast<float*>(params.workspace);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(grid.num_blocks()));
  shape.block = dim3(kConvThreads);
  shape.shared_bytes = std::max(kSumBytes, kProductBytes);
  shape.stream = static_cast<cudaStream_t>(stream);
  VIM_LAUNCH(
      (causal_conv1d_backward_kernel<T, kTaps, kChannels, kDirections, kDepthSteps>),
      shape,
      params,
      grid,
      partial);
}

template <typename T, int kTaps, int kChannels, int kDepthSteps = 0>
void launch_input_grads(const ConvBackwardParams& params, const ConvGrid& grid, void* stream) {
  if (params.forward.num_directions == 1) {
    launch_kernel<T, kTaps, kChannels, 1, kDepthSteps>(params, grid, stream);
  } else {
    launch_kernel<T, kTaps, kChannels, 2, kDepthSteps>(params, grid, stream);
  }
}

// dout with products; only where causal_conv1d_backward_multiplies.
template <typename T>
void launch_with_products(
    const ConvBackwardParams& params, const BackwardPlan& plan, void* stream) {
  if constexpr (sizeof(T) == 2) {
    if (params.depth <= 3 * kConvDepthStep) {
      launch_input_grads<T, kProductTaps, kPack, 3>(params, plan.grid, stream);
    } else {
      launch_input_grads<T, kProductTaps, kPack, kMaxDepthSteps>(params, plan.grid, stream);
    }
  }
}

template <typename T>
void dispatch_input_grads(
    const ConvBackwardParams& params, const BackwardPlan& plan, void* stream) {
  if (params.depth > 0) {
    return launch_with_products<T>(params, plan, stream);
  }
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

bool causal_conv1d_backward_multiplies(const ConvBackwardParams& params) {
  const ConvParams& forward = params.forward;
  bool fits = storage_bytes(forward.dtype) == 2 && forward.width == kProductTaps &&
              forward.channels % (kPack * kWarpSize) == 0 && params.depth > 0 &&
              params.depth % kProductVector == 0 &&
              params.depth <= kMaxDepthSteps * kConvDepthStep && can_pack(params);
  for (int i = 0; i < forward.num_directions; ++i) {
    fits = fits && params.left[i].data != nullptr && params.right[i] != nullptr &&
           fits_packs(params.left[i], forward.dtype, kProductVector) &&
           is_aligned(params.right[i], kProductVector * storage_bytes(forward.dtype));
  }
  return fits;
}

size_t causal_conv1d_backward_workspace_size(const ConvBackwardParams& params) {
  check_conv_sizes(params.forward);
  // Enough for every kernel, so that it does not depend on where the arrays lie.
  return std::max(
      {partial_bytes(make_plan(params.forward, false, false)),
       partial_bytes(make_plan(params.forward, true, false)),
       partial_bytes(make_plan(params.forward, true, true))});
}

void causal_conv1d_backward(const ConvBackwardParams& params, void* stream) {
  check_conv_backward(params);
  if (params.depth != 0 && !causal_conv1d_backward_multiplies(params)) {
    throw std::invalid_argument(
        "causal_conv1d: dout is left as a product where "
        "causal_conv1d_backward_multiplies() does not say so");
  }
  const BackwardPlan plan = make_plan(params.forward, can_pack(params), params.depth > 0);
  visit_dtype(params.forward.dtype, [&](auto tag) {
    dispatch_input_grads<decltype(tag)>(params, plan, stream);
  });
}

void causal_conv1d_backward_reduce(const ConvBackwardParams& params, void* stream) {
  check_conv_backward(params);
  if (wants_weight_grads(params)) {
    const BackwardPlan plan = make_plan(params.forward, can_pack(params), params.depth > 0);
    launch_reduce(params, plan.partial, stream);
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
