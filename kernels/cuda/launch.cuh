// How kernels are launched, and what a warp does together.
#pragma once

#include <cstdint>

#include "kernels/cuda/check.h"

namespace vim::kernels {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kFullWarp = 0xFFFFFFFFU;

/// Geometry of a launch: blocks, threads of a block, bytes of dynamic shared memory, stream.
struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};

/// Sum over the warp, the same bits in every lane and every run.
__device__ inline float warp_sum(float value) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, offset);
  }
  return value;
}

/// A vector of kCount storage elements that loads and stores as one access.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T data[kCount];
};

}  // namespace vim::kernels

/// Launches a kernel, a template instance in parentheses, and checks the launch.
#define VIM_LAUNCH(kernel, shape, ...)                                                          \
  do {                                                                                          \
    kernel<<<(shape).grid, (shape).block, (shape).shared_bytes, (shape).stream>>>(__VA_ARGS__); \
    VIM_CUDA_CHECK_LAUNCH(#kernel);                                                             \
  } while (false)
