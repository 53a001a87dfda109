// The gradient summary on the GPU: blocks read all gradients once, each leaving a sum and an index;
// one block puts those together. Sums run over threads and blocks in a fixed order.
#include "kernels/cuda/gradient_summary.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"
#include "kernels/cuda/plan.h"
#include "kernels/gradient_control.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kSummaryThreads = 256;
constexpr int kSummaryPack = 4;              // floats of one access
constexpr int kSummaryStretch = 4;           // accesses under way in a thread
constexpr int64_t kMaxSummaryBlocks = 1056;  // eight for each multiprocessor of an H100
constexpr int64_t kNoIndex = INT64_MAX;

// What is known of some gradients: of a block's, and of all.
struct PartialSummary {
  double squares;
  int64_t first_non_finite;  // kNoIndex: none
};

struct SummaryShared {
  PartialSummary parts[kSummaryThreads];
};

__device__ __forceinline__ void add_summary(const PartialSummary& part, PartialSummary& sum) {
  sum.squares += part.squares;
  sum.first_non_finite =
      part.first_non_finite < sum.first_non_finite ? part.first_non_finite : sum.first_non_finite;
}

// Leaves the block's total in thread 0.
__device__ inline PartialSummary block_total(const PartialSummary& own, SummaryShared* shared) {
  const auto thread = static_cast<int>(threadIdx.x);
  shared->parts[thread] = own;
  __syncthreads();
  for (int half = kSummaryThreads / 2; half > 0; half /= 2) {
    if (thread < half) {
      add_summary(shared->parts[thread + half], shared->parts[thread]);
    }
    __syncthreads();
  }
  return shared->parts[0];
}

// A thread's sums: squares in float, a few hundred of them.
struct ThreadSums {
  float squares = 0.0F;
  int64_t first_non_finite = kNoIndex;

  // Indices come in ascending order.
  __device__ __forceinline__ void add(float gradient, int64_t index) {
    squares = fmaf(gradient, gradient, squares);
    if (!is_finite_value(gradient) && first_non_finite == kNoIndex) {
      first_non_finite = index;
    }
  }
};

template <int kPack>
__global__ void __launch_bounds__(kSummaryThreads)
    gradient_summary_kernel(GradientSummaryParams params, PartialSummary* partial) {
  auto* shared = block_shared<SummaryShared>();
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kSummaryThreads + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kSummaryThreads * kPack;
  ThreadSums sums;
  for (int64_t first = thread * kPack; first < params.size; first += step * kSummaryStretch) {
    float gradients[kSummaryStretch][kPack] = {};  // zeros behind the end
#pragma unroll
    for (int i = 0; i < kSummaryStretch; ++i) {
      if (first + i * step < params.size) {
        load_pack(params.gradients + first + i * step, gradients[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kSummaryStretch * kPack; ++i) {
      sums.add(gradients[i / kPack][i % kPack], first + i / kPack * step + i % kPack);
    }
  }
  const PartialSummary total = block_total({sums.squares, sums.first_non_finite}, shared);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = total;
  }
}

__global__ void __launch_bounds__(kSummaryThreads) gradient_summary_finish_kernel(
    GradientSummaryParams params, const PartialSummary* partial, int num_partial) {
  auto* shared = block_shared<SummaryShared>();
  PartialSummary own = {0.0, kNoIndex};
  for (int i = static_cast<int>(threadIdx.x); i < num_partial; i += kSummaryThreads) {
    add_summary(partial[i], own);
  }
  const PartialSummary total = block_total(own, shared);
  if (threadIdx.x == 0) {
    const bool has_index = total.first_non_finite != kNoIndex;
    write_gradient_summary(
        params, sqrt(total.squares), has_index ? total.first_non_finite : int64_t{-1});
  }
}

int64_t num_blocks(const GradientSummaryParams& params) {
  return std::min(
      divide_up(params.size, kSummaryThreads * kSummaryPack * kSummaryStretch), kMaxSummaryBlocks);
}

}  // namespace

size_t gradient_summary_workspace_size(const GradientSummaryParams& params) {
  return static_cast<size_t>(num_blocks(params)) * sizeof(PartialSummary);
}

void gradient_summary(const GradientSummaryParams& params, void* stream) {
  check_gradient_summary(params);
  auto* partial = static_cast<PartialSummary*>(params.workspace);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(num_blocks(params)));
  shape.block = dim3(kSummaryThreads);
  shape.shared_bytes = sizeof(SummaryShared);
  shape.stream = static_cast<cudaStream_t>(stream);
  const bool is_packed =
      params.size % kSummaryPack == 0 && is_aligned(params.gradients, kSummaryPack * sizeof(float));
  if (is_packed) {
    VIM_LAUNCH((gradient_summary_kernel<kSummaryPack>), shape, params, partial);
  } else {
    VIM_LAUNCH((gradient_summary_kernel<1>), shape, params, partial);
  }
  const int num_partial = static_cast<int>(num_blocks(params));
  shape.grid = dim3(1);
  VIM_LAUNCH(gradient_summary_finish_kernel, shape, params, partial, num_partial);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
