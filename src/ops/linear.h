// Matrix products with weights, differentiable, in float or in 16 bits with float weight gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace vim::ops {

/// A weight as a product takes it.
struct Weight {
  at::Tensor value;          // (out_features, in_features), float: what the gradient goes to
  at::Tensor shadow;         // value in the activations' dtype, or undefined: cast in each pass
  at::Tensor gradient_mode;  // see parameter_gradient.h; undefined: kReturn
};

/// Returns input * weight^T + bias as (..., out_features) in input's dtype.
/// input: (..., in_features); bias: (out_features), float, or undefined. The gradients of weight
/// and bias are float whatever the input's dtype, summed in float. Throws c10::Error on a mismatch.
at::Tensor linear(const at::Tensor& input, const Weight& weight, const at::Tensor& bias);

/// The weight itself, its shadow, or a cast of it: whichever has `dtype`. Not differentiable.
at::Tensor weight_in(const at::Tensor& weight, const at::Tensor& shadow, at::ScalarType dtype);

/// Throws c10::Error unless the weight is a matrix for `in_features` with a shadow of its shape.
void check_weight(std::string_view op, const Weight& weight, int64_t in_features);

}  // namespace vim::ops
