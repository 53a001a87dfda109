// Kernels that do one thing each of kernels/cuda/numeric.cuh and matrix.cuh, built by nvcc and for
// the emulation, so that the device forms and their host twins face the same tests.
#pragma once

#include <cstdint>

#include "kernels/types.h"

namespace vim::tests {

enum class Unary { kExp2, kLog2, kExp, kReciprocal, kToTf32 };

/// All pointers are device pointers; counts are multiples of `pack`, which is 1, 2, 4 or 8.
struct ProbeEntries {
  const char* name;  // of the KernelDevice they belong to
  /// to[i] = from[i], read in packs; from has dtype.
  void (*load)(kernels::DType dtype, int pack, const void* from, float* to, int64_t count);
  /// to[i] = from[i] rounded to dtype, written in packs.
  void (*store)(kernels::DType dtype, int pack, const float* from, void* to, int64_t count);
  void (*unary)(Unary function, const float* x, float* y, int64_t count);
  /// d += a b with a (16, depth), b (depth, 8), d (16, 8), row-major; tf32: depth 8.
  void (*mma_tf32)(const float* a, const float* b, float* d);
  /// The same rounded to bfloat16: depth 16.
  void (*mma_bf16)(const float* a, const float* b, float* d);
  /// Words of lane l at to[4 l ...] after load_matrices, or load_transposed, of four (8, 8)
  /// matrices one after another.
  void (*load_matrices)(bool transposed, const uint16_t* matrices, uint32_t* to);
};

namespace cuda {
const ProbeEntries& probes();
}  // namespace cuda

namespace emulated {
const ProbeEntries& probes();
}  // namespace emulated

}  // namespace vim::tests
