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

/// Throws c10::Error unless `tensor` has the given shape and dtype, channel stride 1, and is on the
/// CPU or a CUDA device. `what` reads "op: argument".
void check_tokens(
    std::string_view what, const at::Tensor& tensor, at::IntArrayRef shape, at::ScalarType dtype);

/// Throws c10::Error unless `tensor` is a contiguous float tensor of the given shape.
void check_float(std::string_view what, const at::Tensor& tensor, at::IntArrayRef shape);

/// Throws c10::Error unless all defined tensors are on the device of the first.
void check_one_device(std::string_view op, at::TensorList tensors);

/// Float data, or null for an undefined tensor.
float* float_data(const at::Tensor& tensor);

/// Uninitialised bytes on the device of `like` that a kernel may use until the tensor dies, aligned
/// to 64, on a GPU to 256.
at::Tensor make_workspace(size_t num_bytes, const at::Tensor& like);

/// Splits rows [0, num_rows) over the intra-op threads. Results must not depend on the split.
void parallel_rows(int64_t num_rows, const std::function<void(kernels::RowRange)>& run);

}  // namespace vim::ops
