// Causal depthwise convolution with optional SiLU, differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace vim::ops {

struct CausalConv1dOptions {
  bool silu = true;
  bool reversed = false;  // causal from the last token to the first
};

/// Returns silu(bias + sum_k weight[k] x[t - (width - 1) + k]), or the sum alone, as (batch,
/// seqlen, channels). x: (batch, seqlen, channels), float, bfloat16 or half, channel stride 1;
/// weight: (channels, 1, width), float, width 1 to 8; bias: (channels), float, or undefined. Tokens
/// outside the sequence count as 0. Accumulates in float. Throws c10::Error on a shape, dtype,
/// device or stride mismatch. Deterministic, bit for bit. Source: vim_spec 4.2.
at::Tensor causal_conv1d(
    const at::Tensor& x,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const CausalConv1dOptions& options);

}  // namespace vim::ops
