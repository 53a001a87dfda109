// Launches of the convolution's forward. Widths 2 to 4 over aligned views have kernels of their
// own; one kernel with masked taps, a channel for each thread, serves everything else.
#include "kernels/cuda/causal_conv1d.h"

#include <cuda_runtime.h>

#include <stdexcept>

#include "kernels/cuda/causal_conv1d_fwd.cuh"
#include "kernels/cuda/causal_conv1d_plan.h"
#include "kernels/cuda/causal_conv1d_project.h"
#include "kernels/cuda/plan.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kPack = 4;  // channels of a thread: 8 or 16 bytes
// Steps of a chunk: more warps against 3 tokens of x read twice. Measured on one H200.
constexpr int kLongestChunk = 40;
constexpr int kShortestChunk = 5;
constexpr int64_t kEnoughWarps = 1500;

ConvGrid plan_forward(const ConvParams& params, int taps, int channels) {
  for (int steps = kLongestChunk;; steps /= 2) {
    const ConvGrid grid = plan_conv_grid(params, taps, channels, steps, kConvForwardUnroll);
    if (grid.num_rows * grid.num_tiles >= kEnoughWarps || steps <= kShortestChunk) {
      return grid;
    }
  }
}

template <typename T, int kTaps, int kChannels>
void launch_forward(const ConvParams& params, void* stream) {
  const ConvGrid grid = plan_forward(params, kTaps, kChannels);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(grid.num_blocks()));
  shape.block = dim3(kConvThreads);
  shape.stream = static_cast<cudaStream_t>(stream);
  if (params.num_directions == 1) {
    VIM_LAUNCH((causal_conv1d_forward_kernel<T, kTaps, kChannels, 1>), shape, params, grid);
  } else {
    VIM_LAUNCH((causal_conv1d_forward_kernel<T, kTaps, kChannels, 2>), shape, params, grid);
  }
}

bool can_pack(const ConvParams& params) {
  bool packs = conv_inputs_pack(params, kPack);
  for (int i = 0; i < params.num_directions; ++i) {
    packs = packs && fits_packs(params.direction[i].out, params.dtype, kPack);
  }
  return packs;
}

template <typename T>
void dispatch_forward(const ConvParams& params, void* stream) {
  switch (can_pack(params) ? params.width : kMaxConvWidth) {
    case 2:
      return launch_forward<T, 2, kPack>(params, stream);
    case 3:
      return launch_forward<T, 3, kPack>(params, stream);
    case 4:
      return launch_forward<T, 4, kPack>(params, stream);
    default:
      return launch_forward<T, kAnyWidthTaps, 1>(params, stream);
  }
}

}  // namespace

void causal_conv1d_forward(const ConvParams& params, void* stream) {
  check_conv_forward(params);
  if (params.columns != 0) {
    if (!causal_conv1d_forward_projects(params)) {
      throw std::invalid_argument(
          "causal_conv1d: a projection that causal_conv1d_forward_projects refuses");
    }
    return launch_conv_projection(params, stream);
  }
  visit_dtype(params.dtype, [&](auto tag) { dispatch_forward<decltype(tag)>(params, stream); });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
