// How kernels are launched, where their shared memory is, and what a warp does together.
//
// Device code keeps to what the host emulation (tests/emulation) offers: all shared memory is
// dynamic and comes from block_shared, threads wait for one another only in __syncthreads and the
// warp collectives, and inline PTX stands behind named functions with a host twin.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/check.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kFullWarp = 0xFFFFFFFFU;
inline constexpr size_t kDefaultSharedBytes = 48 << 10;  // what a launch gets without asking

/// Geometry of a launch: blocks, threads of a block, bytes of dynamic shared memory, stream.
struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};

/// Launches kernel(args...), asking for more than 48 KiB of shared memory where the shape wants it.
/// Throws std::runtime_error naming the kernel if the launch is refused.
template <typename... Params>
void launch(
    const char* name,
    void (*kernel)(Params...),
    const LaunchShape& shape,
    const std::enable_if_t<true, Params>&... args) {  // converted as in a call
  if (shape.shared_bytes > kDefaultSharedBytes) {
    const auto attribute = cudaFuncAttributeMaxDynamicSharedMemorySize;
    const auto* function = reinterpret_cast<const void*>(kernel);
    if (cudaFuncSetAttribute(function, attribute, static_cast<int>(shape.shared_bytes)) !=
        cudaSuccess) {
      return check_launch(name);
    }
  }
#ifdef __CUDACC__
  kernel<<<shape.grid, shape.block, shape.shared_bytes, shape.stream>>>(args...);
#else
  emulation::launch(
      {name, reinterpret_cast<const void*>(kernel), shape.grid, shape.block, shape.shared_bytes},
      [&] { kernel(args...); });
#endif
  check_launch(name);
}

/// The block's dynamic shared memory, aligned to 128 bytes; its content is undefined at first.
template <typename T>
__device__ __forceinline__ T* block_shared() {
#ifdef __CUDACC__
  extern __shared__ __align__(128) unsigned char shared_bytes[];
  return reinterpret_cast<T*>(shared_bytes);
#else
  return static_cast<T*>(emulation::block_shared_memory());
#endif
}

/// *to += value, carried out by the memory (PTX ISA, red), so that the thread need not wait for
/// what lies there. Only where no other thread of the launch touches *to: sums then have the order
/// in which this thread adds, in every run.
__device__ __forceinline__ void add_in_memory(const float2& value, float2* to) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "red.relaxed.gpu.global.add.v2.f32 [%0], {%1, %2};" ::"l"(to), "f"(value.x), "f"(value.y)
      : "memory");
#else
  asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(&to->x), "f"(value.x) : "memory");
  asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(&to->y), "f"(value.y) : "memory");
#endif
#else
  to->x += value.x;
  to->y += value.y;
#endif
}

/// Sum over the warp, the same bits in every lane and every run.
__device__ __forceinline__ float warp_sum(float value) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, offset);
  }
  return value;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE

/// Launches a kernel, a template instance in parentheses, and checks the launch.
#define VIM_LAUNCH(kernel, shape, ...) \
  ::vim::kernels::VIM_CUDA_NAMESPACE::launch(#kernel, kernel, shape, __VA_ARGS__)
