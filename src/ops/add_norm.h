// Fused residual add, drop-path and RMSNorm or LayerNorm, differentiable; alone, or together with
// the linear layer that follows.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/add_norm.h"
#include "src/ops/linear.h"

namespace vim::ops {

struct AddNormOptions {
  kernels::NormKind kind = kernels::NormKind::kRms;
  double eps = 1e-5;
  at::ScalarType out_dtype = at::kFloat;
  double keep = 1.0;         // 1 - drop-path rate; used with a sample mask
  bool keeps_norm = false;   // norm_linear: for the backward, instead of computing it again
  at::Tensor gradient_mode;  // see parameter_gradient.h; undefined: kReturn
};

/// What is added and normed. x: (batch, seqlen, dim), contiguous, float or 16 bits; residual: the
/// same shape, float, or undefined: v = x; weight, bias: (dim), float (bias or undefined);
/// sample_mask: (batch), float 0 or 1, or undefined.
struct AddNormInputs {
  at::Tensor x;
  at::Tensor residual;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor sample_mask;
};

struct AddNormResult {
  at::Tensor out;       // the normalised tokens, options.out_dtype
  at::Tensor residual;  // v, float
};

/// Returns v = residual + sample_mask * x / keep and its norm. Statistics in float. Throws
/// c10::Error on a mismatch. Deterministic, bit for bit. Source: vim_spec 1.4, 4.3.
AddNormResult add_norm(const AddNormInputs& inputs, const AddNormOptions& options);

/// The same followed by a linear layer without bias: out is norm(v) * weight^T, (batch, seqlen,
/// out_features) in options.out_dtype. Keeps v for the backward, which computes the norm again
/// unless options.keeps_norm.
AddNormResult norm_linear(
    const AddNormInputs& inputs, const Weight& weight, const AddNormOptions& options);

}  // namespace vim::ops
