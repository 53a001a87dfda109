// Matrix products with weights, differentiable, in float or in 16 bits with float weight gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace vim::ops {

/// Returns input * weight^T + bias as (..., out_features) in input's dtype.
/// input: (..., in_features); weight: (out_features, in_features), float: what the gradient goes
/// to; shadow: weight in input's dtype, or undefined (weight is then cast here; nothing is cast for
/// float); bias: (out_features), float, or undefined. The gradients of weight and bias are float
/// whatever the input's dtype, summed in float. Throws c10::Error on a mismatch.
at::Tensor linear(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& shadow,
    const at::Tensor& bias);

/// weight itself, its shadow, or a cast of it: whichever has `dtype`. Not differentiable.
at::Tensor weight_in(const at::Tensor& weight, const at::Tensor& shadow, at::ScalarType dtype);

/// dout^T * input in float: (out_features, in_features) from (rows, out_features) and (rows,
/// in_features).
at::Tensor weight_gradient(const at::Tensor& dout, const at::Tensor& input);

}  // namespace vim::ops
