// From tensors to what a kernel takes: checked views, storage types, workspace, and rows split over
// threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string_view>

#include "kernels/types.h"

namespace vim::ops {

/// The kernels' name of a storage type. Throws c10::Error for others than float, bfloat16 and half.
kernels::DType kernel_dtype(at::ScalarType dtype);

/// Views of (batch, seqlen, channels) tensors with channel stride 1; an undefined tensor gives the
/// absent view. Layout is checked by check_tokens, never repaired.
kernels::TokenView token_view(const at::Tensor& tokens);
kernels::MutableTokenView mutable_token_view(const at::Tensor& tokens);

/// Throws c10::Error unless `tensor` has the given shape, dtype and device, and channel stride 1.
/// `what` reads "op: argument".
void check_tokens(
    std::string_view what, const at::Tensor& tensor, at::IntArrayRef shape, at::ScalarType dtype);

/// Throws c10::Error unless `tensor` is a contiguous float tensor of the given shape.
void check_float(std::string_view what, const at::Tensor& tensor, at::IntArrayRef shape);

/// Float data, or null for an undefined tensor.
float* float_data(const at::Tensor& tensor);

/// Uninitialised bytes that a kernel may use until the tensor dies, aligned to 64.
at::Tensor make_workspace(size_t num_bytes);

/// Splits rows [0, num_rows) over the intra-op threads. Results must not depend on the split.
void parallel_rows(int64_t num_rows, const std::function<void(kernels::RowRange)>& run);

}  // namespace vim::ops
