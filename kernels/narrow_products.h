// Products of a wide and a narrow matrix over the same rows, in one or both directions at once:
//
//   sums = wide^T narrow          and, with a weight,          out = wide weight
//
// Where a projection has few columns, its backward asks for nothing else. With the gradient of
// delta as wide, the columns of dt as narrow and dt_proj as weight, out is the gradient of dt and
// sums that of dt_proj's weight; with u as wide and the gradient of B, C and dt as narrow, sums is
// the gradient of x_proj's weight. Nearly all the bytes are those of wide, which is read once.
//
// There is no CPU entry: the CPU uses the library's matrix products.
#pragma once

#include "kernels/types.h"

namespace vim::kernels {

/// Read-only rows of the problem's storage type with column stride 1; the stride is in elements.
struct MatrixView {
  const void* data = nullptr;
  int64_t row_stride = 0;
};

/// Writable twin of MatrixView.
struct MutableMatrixView {
  void* data = nullptr;
  int64_t row_stride = 0;
};

struct NarrowProductsDirection {
  MatrixView wide;               // (rows, channels)
  MatrixView narrow;             // (rows, columns)
  const void* weight = nullptr;  // (channels, columns), contiguous, or null in every direction
  MutableMatrixView out;         // (rows, columns), with a weight only; overwritten
  float* sums = nullptr;         // overwritten; the shape is that of NarrowProductsParams
};

/// Columns [gap_begin, gap_end) are padding: they take part in out, but are left out of sums, which
/// are (channels, kept columns), or (kept columns, channels) where `transposed`.
struct NarrowProductsParams {
  int64_t rows = 0;
  int64_t channels = 0;
  int64_t columns = 0;
  int64_t gap_begin = 0;
  int64_t gap_end = 0;
  bool transposed = false;
  DType dtype = DType::kBFloat16;
  int num_directions = 1;
  NarrowProductsDirection direction[kMaxDirections];
  void* workspace = nullptr;  // narrow_products_workspace_size bytes, 16-byte aligned

  bool has_weight() const { return direction[0].weight != nullptr; }
};

}  // namespace vim::kernels
