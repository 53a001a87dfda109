// Launches of the add+norm kernels on tensors, without autograd: what add_norm and norm_linear
// share.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/ops/add_norm.h"

namespace vim::ops {

/// Throws c10::Error unless the inputs fit together.
void check_add_norm(const char* op, const AddNormInputs& inputs);

/// Whether v is x itself, bit for bit, so that no copy of it is needed.
bool residual_is_x(const AddNormInputs& inputs);

/// Returns the norm and v (x itself where residual_is_x).
AddNormResult add_norm_forward(const AddNormInputs& inputs, const AddNormOptions& options);

/// The norm of a v from add_norm_forward, the same bits again.
at::Tensor norm_of(
    const at::Tensor& v,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const AddNormOptions& options);

/// What a backward starts from. v, weight, bias, sample_mask are the forward's; dv_out is the
/// gradient of v, or undefined.
struct AddNormSaved {
  at::Tensor v;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor sample_mask;
  at::ScalarType x_dtype = at::kFloat;
  bool has_residual = false;
};

struct AddNormGrads {
  at::Tensor dx;
  at::Tensor dresidual;  // undefined without a residual
  at::Tensor dweight;    // undefined where the gradient mode left nothing to autograd
  at::Tensor dbias;
};

AddNormGrads add_norm_backward(
    const AddNormSaved& saved,
    const at::Tensor& dout,
    const at::Tensor& dv_out,
    const AddNormOptions& options);

}  // namespace vim::ops
