// Copies from device memory into shared memory that run beside the thread that starts them, without
// passing through its registers (PTX ISA, cp.async).
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Starts to copy kBytes (4, 8 or 16, to which both addresses are aligned); zeros where `exists` is
/// false. Until wait_for_copies, what lies at `to` may be old, new or mixed.
template <int kBytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool exists) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "what cp.async can copy");
#ifdef __CUDACC__
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = exists ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile(
        "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(bytes)
        : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(shared),
                 "l"(from),
                 "r"(bytes),
                 "n"(kBytes)
                 : "memory");
  }
#else
  emulation::copy_async(to, exists ? from : nullptr, kBytes);
#endif
}

/// Makes a group of the copies that this thread has started since its last group; it may be empty.
__device__ __forceinline__ void commit_copies() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulation::commit_copies();
#endif
}

/// Waits until this thread's groups but the newest kNewest have arrived; other threads see them
/// after the next barrier.
template <int kNewest>
__device__ __forceinline__ void wait_for_groups() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory");
#else
  emulation::wait_for_groups(kNewest);
#endif
}

/// Waits until this thread's copies have arrived; other threads see them after the next barrier.
__device__ __forceinline__ void wait_for_copies() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_all;" ::: "memory");
#else
  emulation::wait_for_copies();
#endif
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
