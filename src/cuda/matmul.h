// The product of two matrices.
#pragma once

#include <ATen/core/Tensor.h>

namespace vim::cuda {

/// Returns left * right, (rows, inner) x (inner, columns), in their common type. Rounded as at::mm
/// rounds, but for 16-bit matrices on a GPU of compute capability 9 by another of cuBLASLt's
/// algorithms where that is known to be faster. Which one depends on shapes, layouts and the
/// library's version alone. Not differentiable. Throws c10::Error on a mismatch.
/// Source of the choice: measured, docs/kernels.md.
at::Tensor matmul(const at::Tensor& left, const at::Tensor& right);

}  // namespace vim::cuda
