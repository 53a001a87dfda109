// Fused residual add, drop-path and RMSNorm or LayerNorm, differentiable.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/add_norm.h"

namespace vim::ops {

struct AddNormOptions {
  kernels::NormKind kind = kernels::NormKind::kRms;
  double eps = 1e-5;
  at::ScalarType out_dtype = at::kFloat;
  double keep = 1.0;  // 1 - drop-path rate; used with a sample mask
};

struct AddNormResult {
  at::Tensor out;       // the normalised tokens, options.out_dtype
  at::Tensor residual;  // v, float
};

/// Returns v = residual + sample_mask * x / keep and its norm. x: (batch, seqlen, dim), contiguous,
/// float or 16 bits; residual: (batch, seqlen, dim), float, or undefined: v = x; weight, bias:
/// (dim), float (bias or undefined); sample_mask: (batch), float 0 or 1, or undefined. Statistics
/// in float. Throws c10::Error on a mismatch. Deterministic, bit for bit. Source:
/// vim_spec 1.4, 4.3.
AddNormResult add_norm(
    const at::Tensor& x,
    const at::Tensor& residual,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const at::Tensor& sample_mask,
    const AddNormOptions& options);

}  // namespace vim::ops
