// Cross-entropy on the GPU: one block for each row, which the first-level cache holds, so the row
// is simply read again where it is needed again. Sums run over threads, lanes and warps in a fixed
// order.
#include "kernels/cuda/cross_entropy.h"

#include <cuda_runtime.h>

#include "kernels/cross_entropy_target.h"
#include "kernels/cuda/device.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kLossThreads = 256;
constexpr int kLossWarps = kLossThreads / kWarpSize;

struct LossShared {
  float largest[kLossWarps];
  float sums[3][kLossWarps];
};

struct TotalShared {
  double sums[kLossThreads];
};

// The sums over a row of exp(logit - largest), target and target * (largest - logit).
struct RowSums {
  float exp_sum = 0.0F;
  float target_sum = 0.0F;
  float weighted = 0.0F;
};

template <typename F>
__device__ __forceinline__ void for_each_class(int64_t num_classes, F f) {
  for (int64_t c = threadIdx.x; c < num_classes; c += kLossThreads) {
    f(c);
  }
}

// NaN is passed over: it comes back through the sums.
__device__ float block_max(float value, float* warp_values) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kFullWarp, value, offset));
  }
  if (threadIdx.x % kWarpSize == 0) {
    warp_values[threadIdx.x / kWarpSize] = value;
  }
  __syncthreads();
  value = warp_values[0];
  for (int w = 1; w < kLossWarps; ++w) {
    value = fmaxf(value, warp_values[w]);
  }
  return value;
}

// Leaves the block's totals in every thread.
__device__ RowSums block_sums(RowSums own, LossShared* shared) {
  const float sums[3] = {warp_sum(own.exp_sum), warp_sum(own.target_sum), warp_sum(own.weighted)};
  for (int i = 0; i < 3; ++i) {
    if (threadIdx.x % kWarpSize == 0) {
      shared->sums[i][threadIdx.x / kWarpSize] = sums[i];
    }
  }
  __syncthreads();
  RowSums total;
  for (int w = 0; w < kLossWarps; ++w) {
    total.exp_sum += shared->sums[0][w];
    total.target_sum += shared->sums[1][w];
    total.weighted += shared->sums[2][w];
  }
  return total;
}

template <typename Target>
__device__ void cross_entropy_row(const CrossEntropyParams& params, int64_t row, Target target) {
  auto* shared = block_shared<LossShared>();
  const float* logits = params.logits + row * params.num_classes;
  float largest = -INFINITY;
  for_each_class(params.num_classes, [&](int64_t c) { largest = fmaxf(largest, logits[c]); });
  largest = block_max(largest, shared->largest);
  RowSums sums;
  for_each_class(params.num_classes, [&](int64_t c) {
    const float below = largest - logits[c];
    sums.exp_sum += expf(-below);
    sums.target_sum += target(c);
    sums.weighted = fmaf(target(c), below, sums.weighted);
  });
  sums = block_sums(sums, shared);
  if (threadIdx.x == 0) {
    params.loss[row] = fmaf(logf(sums.exp_sum), sums.target_sum, sums.weighted);
  }
  if (params.dlogits == nullptr) {
    return;
  }
  float* dlogits = params.dlogits + row * params.num_classes;
  const float probability_scale = sums.target_sum / sums.exp_sum;
  for_each_class(params.num_classes, [&](int64_t c) {
    const float expected = expf(logits[c] - largest) * probability_scale;
    dlogits[c] = (expected - target(c)) * params.grad_scale;
  });
}

__global__ void __launch_bounds__(kLossThreads)
    cross_entropy_kernel(CrossEntropyParams params, SmoothTargets smooth) {
  const int64_t row = blockIdx.x;
  if (params.targets == nullptr) {
    cross_entropy_row(params, row, label_target(params, smooth, row));
  } else {
    const float* targets = params.targets + row * params.num_classes;
    cross_entropy_row(params, row, [targets](int64_t c) { return targets[c]; });
  }
}

__global__ void __launch_bounds__(kLossThreads) loss_sum_kernel(LossSumParams params) {
  auto* shared = block_shared<TotalShared>();
  const auto thread = static_cast<int>(threadIdx.x);
  double total = 0.0;
  for (int64_t row = thread; row < params.rows; row += kLossThreads) {
    total += params.loss[row];
  }
  shared->sums[thread] = total;
  __syncthreads();
  for (int half = kLossThreads / 2; half > 0; half /= 2) {
    if (thread < half) {
      shared->sums[thread] += shared->sums[thread + half];
    }
    __syncthreads();
  }
  if (thread == 0) {
    *params.total = static_cast<float>(shared->sums[0] * params.scale);
  }
}

LaunchShape make_shape(int64_t blocks, size_t shared_bytes, void* stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks));
  shape.block = dim3(kLossThreads);
  shape.shared_bytes = shared_bytes;
  shape.stream = static_cast<cudaStream_t>(stream);
  return shape;
}

}  // namespace

void cross_entropy(const CrossEntropyParams& params, void* stream) {
  check_cross_entropy(params);
  const LaunchShape shape = make_shape(params.rows, sizeof(LossShared), stream);
  VIM_LAUNCH(cross_entropy_kernel, shape, params, smooth_targets(params));
}

void loss_sum(const LossSumParams& params, void* stream) {
  check_loss_sum(params);
  VIM_LAUNCH(loss_sum_kernel, make_shape(1, sizeof(TotalShared), stream), params);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
