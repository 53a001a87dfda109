// Selective scan in one direction, differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace vim::ops {

struct SelectiveScanInputs {
  at::Tensor u;           // (batch, seqlen, d_inner), float, bfloat16 or half
  at::Tensor delta;       // the same, before softplus
  at::Tensor A;           // (d_inner, d_state), float, negative in a stable model
  at::Tensor B;           // (batch, seqlen, groups * d_state), u's dtype
  at::Tensor C;           // the same
  at::Tensor D;           // (d_inner), float, or undefined
  at::Tensor z;           // (batch, seqlen, d_inner), or undefined: no gate
  at::Tensor delta_bias;  // (d_inner), float, or undefined
  bool delta_softplus = true;
  bool reversed = false;  // walk from the last token to the first
};

struct SelectiveScanResult {
  at::Tensor out;         // (batch, seqlen, d_inner), u's dtype
  at::Tensor last_state;  // (batch, d_inner, d_state), float; not differentiable
};

/// Returns y_t silu(z_t) with y_t = C_t h_t + D u_t, h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t, h
/// before the first token 0, dt = softplus(delta + delta_bias). Channel c uses group c / (d_inner /
/// groups). All inputs have channel stride 1 and free batch and token strides; the state is kept in
/// float. Throws c10::Error on a shape, dtype, device or stride mismatch. Deterministic, bit for
/// bit. Source: Gu & Dao 2023 (arXiv 2312.00752), section 3.
SelectiveScanResult selective_scan(const SelectiveScanInputs& inputs);

}  // namespace vim::ops
