#include "tests/ops/reference_ops.h"

#include <ATen/ATen.h>

namespace vim::ops {
namespace {

at::Tensor flip_if(bool reversed, const at::Tensor& tokens) {
  return reversed ? at::flip(tokens, {1}) : tokens;
}

}  // namespace

at::Tensor reference_conv(
    const at::Tensor& x,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const CausalConv1dOptions& options) {
  const int64_t seqlen = x.size(1);
  const int64_t width = weight.size(2);
  const at::Tensor padded = at::constant_pad_nd(flip_if(options.reversed, x), {0, 0, width - 1, 0});
  at::Tensor sum = at::zeros_like(x);
  for (int64_t k = 0; k < width; ++k) {
    sum = sum + weight.select(2, k).select(1, 0) * padded.narrow(1, k, seqlen);
  }
  sum = bias.defined() ? sum + bias : sum;
  return flip_if(options.reversed, options.silu ? at::silu(sum) : sum);
}

at::Tensor reference_scan(const SelectiveScanInputs& inputs) {
  const at::Tensor u = flip_if(inputs.reversed, inputs.u);
  const at::Tensor B = flip_if(inputs.reversed, inputs.B);
  const at::Tensor C = flip_if(inputs.reversed, inputs.C);
  at::Tensor delta = flip_if(inputs.reversed, inputs.delta);
  delta = inputs.delta_bias.defined() ? delta + inputs.delta_bias : delta;
  delta = inputs.delta_softplus ? at::softplus(delta) : delta;
  at::Tensor state = at::zeros({u.size(0), u.size(2), B.size(2)}, u.options());
  std::vector<at::Tensor> outputs;
  for (int64_t t = 0; t < u.size(1); ++t) {
    const at::Tensor dt = delta.select(1, t).unsqueeze(-1);
    const at::Tensor input = dt * u.select(1, t).unsqueeze(-1) * B.select(1, t).unsqueeze(1);
    state = at::exp(dt * inputs.A) * state + input;
    outputs.push_back((state * C.select(1, t).unsqueeze(1)).sum(-1));
  }
  at::Tensor y = at::stack(outputs, 1);
  y = flip_if(inputs.reversed, inputs.D.defined() ? y + inputs.D * u : y);
  return inputs.z.defined() ? y * at::silu(inputs.z) : y;
}

AddNormResult reference_add_norm(
    const at::Tensor& x,
    const at::Tensor& residual,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const at::Tensor& sample_mask,
    const AddNormOptions& options) {
  at::Tensor v = x;
  if (sample_mask.defined()) {
    v = v * sample_mask.view({-1, 1, 1}) / options.keep;
  }
  v = residual.defined() ? residual + v : v;
  const bool centres = options.kind == kernels::NormKind::kLayer;
  const at::Tensor centred = centres ? v - v.mean(-1, /*keepdim=*/true) : v;
  const at::Tensor variance = centred.square().mean(-1, /*keepdim=*/true);
  const at::Tensor normed = centred / at::sqrt(variance + options.eps) * weight;
  return {bias.defined() ? normed + bias : normed, v};
}

at::Tensor reference_core(
    const at::Tensor& xz,
    const std::vector<Branch>& branches,
    const BidirectionalMambaOptions& options) {
  const int64_t d_inner = xz.size(2) / 2;
  const int64_t d_state = branches[0].A_log.size(1);
  const int64_t dt_rank = branches[0].dt_proj.size(1);
  const at::Tensor x = xz.narrow(2, 0, d_inner);
  const at::Tensor z = xz.narrow(2, d_inner, d_inner);
  at::Tensor sum = at::zeros_like(z);
  SelectiveScanInputs scan;
  for (size_t i = 0; i < branches.size(); ++i) {
    const Branch& branch = branches[i];
    if (!branch.shares_projections) {
      scan.u =
          reference_conv(x, branch.conv_weight, branch.conv_bias, {true, branch.conv_reversed});
      const at::Tensor projected = at::matmul(scan.u, branch.x_proj.t());
      scan.delta = at::matmul(projected.narrow(2, 0, dt_rank), branch.dt_proj.t());
      scan.B = projected.narrow(2, dt_rank, d_state);
      scan.C = projected.narrow(2, dt_rank + d_state, d_state);
      scan.D = branch.D;
      scan.delta_bias = branch.dt_bias;
    }
    scan.A = -at::exp(branch.A_log);
    scan.reversed = branch.scan_reversed;
    // The defect: for the second direction the gate counts as a constant.
    scan.z = options.gate_defect && i == 1 ? z.detach() : z;
    sum = sum + reference_scan(scan);
  }
  return options.scale * sum;
}

}  // namespace vim::ops
