// How the scan's walks bring rows of tokens into shared memory and back: where the rows of a tensor
// lie, copies into shared memory that run beside the walk, and copies out of it.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/namespace.h"
#include "kernels/cuda/numeric.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// Where a warp's channels (or states) of a tensor lie, by step of its walk. Kept in shared memory,
/// because registers for all tensors would be spilled.
template <typename Pointer>
struct alignas(16) StepRows {
  Pointer origin;  // of step 0
  int stride;      // elements from step to step

  /// Steps may lie beyond the walk. Offsets within a sample are 32 bits wide.
  __device__ __forceinline__ Pointer at(int step, int column) const {
    return origin + (step * stride + column);
  }
};

/// Calls f(row, column) for this lane's share of the accesses, of kCopy elements each, of kRows
/// rows of kWidth elements.
template <int kCopy, int kRows, int kWidth, typename F>
__device__ __forceinline__ void for_each_access(F f) {
  constexpr int kRowLanes = kWidth / kCopy;
  constexpr int kAtOnce = kWarpSize / kRowLanes;  // rows
  static_assert(kRows % kAtOnce == 0, "whole rounds of the warp");
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
#pragma unroll
  for (int i = 0; i < kRows; i += kAtOnce) f(i + lane / kRowLanes, lane % kRowLanes * kCopy);
}

/// Copies the rows of steps `first` to `first` + kRows into `to`, kCopy elements at a time; zeros
/// where a step is not below `end` or a column not below `columns`, a multiple of kCopy. All lanes
/// of the warp share the work. kAsync: starts the copies, wait_for_copies() ends them; needs rows
/// aligned to kCopy elements.
template <int kCopy, bool kAsync, typename Pointer, typename T, int kRows, int kWidth>
__device__ __forceinline__ void copy_rows(
    const StepRows<Pointer>& from, int first, int end, int columns, T (&to)[kRows][kWidth]) {
  // Read once: after a copy the compiler takes it for changed. (Where rows are written that would
  // cost the scan's backward more in registers than it saves.)
  const StepRows<Pointer> rows = from;
  for_each_access<kCopy, kRows, kWidth>([&](int row, int column) {
    const bool exists = first + row < end && column < columns;
    const T* at = rows.at(first + row, column);
    if constexpr (kAsync) {
      copy_async<kCopy * sizeof(T)>(&to[row][column], at, exists);
    } else {
      to[row][column] = exists ? *at : T{};
    }
  });
}

/// Copies rows of `from` to the steps `first` to `first` + kRows, kCopy elements at a time, where a
/// step is below `end` and a column below `columns`.
template <int kCopy, typename T, int kRows, int kWidth>
__device__ __forceinline__ void write_rows(
    const T (&from)[kRows][kWidth], const StepRows<T*>& to, int first, int end, int columns) {
  using Access = typename detail::Access<sizeof(T) * kCopy>::Type;
  for_each_access<kCopy, kRows, kWidth>([&](int row, int column) {
    if (first + row < end && column < columns) {
      *reinterpret_cast<Access*>(to.at(first + row, column)) =
          *reinterpret_cast<const Access*>(&from[row][column]);
    }
  });
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
