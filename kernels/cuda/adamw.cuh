// The AdamW kernel. The pass is bound by memory: five arrays in, five out. One thread of a block
// forms the factors in double while blocks beside it stream; the block then walks its stretch with
// one vector access for each array and step.
#pragma once

#include "kernels/adamw_update.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kAdamWThreads = 256;
inline constexpr int kAdamWPack = 4;   // floats of a 16-byte access
inline constexpr int kAdamWSteps = 4;  // of a thread: what the factors are worth forming for
inline constexpr int kAdamWStretch = kAdamWThreads * kAdamWPack * kAdamWSteps;  // of a block

// Shadow is the copy's type, or float where there is none.
template <typename Shadow, int kPack>
__device__ __forceinline__ void adamw_pack(
    const AdamWParams& params, const AdamWFactors& factors, int64_t at) {
  float grad[kPack];
  float value[kPack];
  float exp_avg[kPack];
  float exp_avg_sq[kPack];
  float ema[kPack] = {};
  load_pack(params.grad + at, grad);
  load_pack(params.value + at, value);
  load_pack(params.exp_avg + at, exp_avg);
  load_pack(params.exp_avg_sq + at, exp_avg_sq);
  if (params.ema != nullptr) {
    load_pack(params.ema + at, ema);
  }
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    AdamWElement element{value[i], exp_avg[i], exp_avg_sq[i]};
    adamw_update(factors, grad[i], element);
    value[i] = element.value;
    exp_avg[i] = element.exp_avg;
    exp_avg_sq[i] = element.exp_avg_sq;
  }
  store_pack(value, params.value + at);
  store_pack(exp_avg, params.exp_avg + at);
  store_pack(exp_avg_sq, params.exp_avg_sq + at);
  if constexpr (sizeof(Shadow) == 2) {
    store_pack(value, static_cast<Shadow*>(params.shadow) + at);
  }
  if (params.ema != nullptr) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      ema[i] = adamw_average(factors, ema[i], value[i]);
    }
    store_pack(ema, params.ema + at);
  }
}

// kPack is 1 where an array is not aligned for more; the last elements of any array go one by one.
template <typename Shadow, int kPack>
__global__ void __launch_bounds__(kAdamWThreads) adamw_kernel(AdamWParams params) {
  if (params.found_inf != nullptr && *params.found_inf != 0.0F) {
    return;  // the whole block: all threads read the same scalar
  }
  auto* shared = block_shared<AdamWFactors>();
  if (threadIdx.x == 0) {
    *shared = adamw_factors(params);
  }
  __syncthreads();
  const AdamWFactors factors = *shared;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kAdamWStretch;
  const int64_t end = begin + kAdamWStretch < params.size ? begin + kAdamWStretch : params.size;
  const int64_t first = begin + static_cast<int64_t>(threadIdx.x) * kPack;
  for (int64_t at = first; at < end; at += kAdamWThreads * kPack) {
    if (at + kPack <= end) {
      adamw_pack<Shadow, kPack>(params, factors, at);
      continue;
    }
    for (int64_t rest = at; rest < end; ++rest) {
      adamw_pack<Shadow, 1>(params, factors, rest);
    }
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
