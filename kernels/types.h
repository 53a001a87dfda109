// What every kernel's parameter struct is made of: storage types, token views and row ranges.
// Plain C++17 without any LibTorch header, shared by the CPU kernels, nvcc and the callers in
// src/ops.
#pragma once

#include <cstdint>

namespace vim::kernels {

/// Storage type of activations. Arithmetic is always in float, whatever the storage.
enum class DType : int32_t { kFloat32, kBFloat16, kFloat16 };

/// Read-only view of a (batch, seqlen, channels) array with channel stride 1.
/// Strides are in elements of the kernel's DType. `data` is null where an optional input is absent.
struct TokenView {
  const void* data = nullptr;
  int64_t batch_stride = 0;
  int64_t token_stride = 0;
};

/// Writable twin of TokenView.
struct MutableTokenView {
  void* data = nullptr;
  int64_t batch_stride = 0;
  int64_t token_stride = 0;
};

/// Half-open range of a kernel's rows, [begin, end). What a row is, each kernel's header says.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Most directions one launch walks: forward and backward in image order.
inline constexpr int kMaxDirections = 2;

}  // namespace vim::kernels
