// Sums in a fixed order over memory that is far away: several loads are under way together.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Calls add(load(i)) for i from `first` in steps of `step` while below `count`, in this order, but
/// with kAtOnce loads under way together. load(i) gives zeros where its second argument is false.
template <int kAtOnce, typename Load, typename Add>
__device__ __forceinline__ void add_loaded(
    int64_t first, int64_t step, int64_t count, Load load, Add add) {
  for (; first < count; first += kAtOnce * step) {
    decltype(load(first, true)) parts[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int64_t at = first + i * step;
      parts[i] = load(at, at < count);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) add(parts[i]);
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
