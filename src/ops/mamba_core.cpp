// Forward and hand-written backward of the mixer's core.
#include "src/ops/mamba_core.h"

#include <ATen/ATen.h>

#include "src/cuda/matmul.h"
#include "src/ops/device_call.h"
#include "src/ops/narrow_products.h"
#include "src/ops/parameter_gradient.h"
#include "src/ops/stacked.h"

namespace vim::ops {
namespace {

// (n, batch, seqlen, channels) as n matrices.
at::Tensor as_matrices(const at::Tensor& tokens) {
  return tokens.view({tokens.size(0), -1, tokens.size(3)});
}

at::Tensor as_rows(const at::Tensor& tokens) { return tokens.view({-1, tokens.size(-1)}); }

// A buffer for n small projections. Every row starts where a matrix product can load it in vectors;
// columns behind those of the prepared weights hold nothing.
at::Tensor make_projections(const MambaCore& core, int64_t n) {
  const int64_t columns = round_to_vectors(core.prepared.x_proj.size(1));
  return at::empty({n, core.xz.size(0), core.xz.size(1), columns}, core.xz.options());
}

// The columns of small projections that the prepared weights give.
at::Tensor used_columns(const MambaCore& core, const at::Tensor& p) {
  return p.narrow(3, 0, core.prepared.x_proj.size(1));
}

// u of each projected branch, its small projection, and delta; undefined where the scan makes it.
struct Projected {
  at::Tensor u;
  at::Tensor p;
  at::Tensor delta;
};

at::Tensor make_delta(const MambaCore& core, const at::Tensor& u, const at::Tensor& p) {
  const at::Tensor delta = at::empty(u.sizes(), u.options());
  batched_product(
      as_matrices(p).narrow(2, 0, core.padded_rank()),
      core.prepared.dt_proj.transpose(1, 2),
      as_matrices(delta));
  return delta;
}

// The scan's view of each branch.
std::vector<ScanBranch> scan_branches(const MambaCore& core, const Projected& projected) {
  std::vector<ScanBranch> result;
  for (size_t i = 0; i < core.branches.size(); ++i) {
    const Branch& branch = core.branches[i];
    const auto place = static_cast<int64_t>(branch.shares_projections ? 0 : i);
    const at::Tensor p = projected.p[place];
    ScanBranch& scan = result.emplace_back();
    scan.u = projected.u[place];
    if (projected.delta.defined()) {
      scan.delta = projected.delta[place];
    } else {
      scan.dt_input = p.narrow(2, 0, core.padded_rank());
      scan.dt_weight = core.prepared.dt_proj[place];
    }
    scan.B = p.narrow(2, core.padded_rank(), core.d_state());
    scan.C = p.narrow(2, core.padded_rank() + core.d_state(), core.d_state());
    scan.A = core.prepared.A[static_cast<int64_t>(i)];
    scan.D = branch.D;
    scan.delta_bias = branch.dt_bias;
    scan.reversed = branch.scan_reversed;
  }
  return result;
}

ScanShared scan_shared(const MambaCore& core, const MambaCoreSaved& saved) {
  ScanShared shared;
  shared.z = core.z();
  shared.ungated = saved.ungated;
  shared.scale = core.options.scale;
  shared.gate_defect = core.options.gate_defect;
  shared.dA_of_log = true;
  shared.kept_states = saved.kept_states;
  return shared;
}

// What one backward fills: token gradients of all branches stacked, parameter gradients by branch.
struct CoreGrads {
  at::Tensor dxz;
  at::Tensor du;
  at::Tensor ddelta;
  at::Tensor dp;
  std::vector<ParameterGradient> A_log;
  std::vector<ParameterGradient> D;
  std::vector<ParameterGradient> dt_bias;

  bool sums_may_wait() const {
    return may_all_wait(A_log) && may_all_wait(D) && may_all_wait(dt_bias);
  }
};

CoreGrads make_grads(const MambaCore& core, const at::Tensor& u) {
  const auto n = static_cast<int64_t>(core.branches.size());
  CoreGrads grads;
  grads.dxz = core.dxz.defined() ? core.dxz : at::empty(core.xz.sizes(), core.xz.options());
  grads.du = at::empty({n, u.size(1), u.size(2), u.size(3)}, u.options());
  grads.ddelta = at::empty(grads.du.sizes(), u.options());
  grads.dp = make_projections(core, n);
  for (const Branch& branch : core.branches) {
    // The second branch of v1 shares its parameters: its part is added to the first one's.
    const at::Tensor mode = branch.shares_projections ? at::Tensor() : core.options.gradient_mode;
    grads.A_log.emplace_back(branch.A_log, core.options.gradient_mode);
    grads.D.emplace_back(branch.D, mode);
    grads.dt_bias.emplace_back(branch.dt_bias, mode);
  }
  return grads;
}

std::vector<ScanBranchGrads> scan_grads(const MambaCore& core, CoreGrads& grads) {
  std::vector<ScanBranchGrads> result;
  for (size_t i = 0; i < core.branches.size(); ++i) {
    const auto place = static_cast<int64_t>(i);
    ScanBranchGrads& scan = result.emplace_back();
    scan.du = grads.du[place];
    scan.ddelta = grads.ddelta[place];
    scan.dB = grads.dp[place].narrow(2, core.padded_rank(), core.d_state());
    scan.dC = grads.dp[place].narrow(2, core.padded_rank() + core.d_state(), core.d_state());
    scan.dA = grads.A_log[i].buffer();  // see ScanShared::dA_of_log
    scan.dD = grads.D[i].buffer();
    scan.ddelta_bias = grads.dt_bias[i].buffer();
  }
  return result;
}

// Adds what the second scan of v1 leaves for the shared tensors to the first one's gradients.
void merge_shared(const MambaCore& core, CoreGrads& grads) {
  const auto columns = [&core](const at::Tensor& dp) {
    return dp.narrow(2, core.padded_rank(), 2 * core.d_state());
  };
  grads.du[0].add_(grads.du[1]);
  grads.ddelta[0].add_(grads.ddelta[1]);
  columns(grads.dp[0]).add_(columns(grads.dp[1]));
  grads.D[0].buffer().add_(grads.D[1].buffer());
  grads.dt_bias[0].buffer().add_(grads.dt_bias[1].buffer());
  for (at::Tensor* stack : {&grads.du, &grads.ddelta, &grads.dp}) {
    *stack = stack->narrow(0, 0, 1);
  }
}

// The gradients of a projection's weight, one for each projected branch.
std::vector<ParameterGradient> projection_gradients(
    const MambaCore& core, at::Tensor Branch::*weight) {
  std::vector<ParameterGradient> result;
  for (size_t i = 0; i < core.num_projected(); ++i) {
    result.emplace_back(core.branches[i].*weight, core.options.gradient_mode);
  }
  return result;
}

// The columns of the prepared projections that pad dt.
NarrowProducts with_padding(const MambaCore& core, NarrowProducts products) {
  products.gap_begin = core.dt_rank();
  products.gap_end = core.padded_rank();
  return products;
}

// The gradient of x_proj from that of the prepared one, without the padding.
std::vector<at::Tensor> take_x_proj(const MambaCore& core, const at::Tensor& padded) {
  return {
      padded.narrow(0, 0, core.dt_rank()),
      padded.narrow(0, core.padded_rank(), 2 * core.d_state())};
}

// From ddelta back through dt_proj: fills dt's columns of dp, and dt_proj's gradient.
std::vector<ParameterGradient> dt_proj_backward(
    const MambaCore& core, const at::Tensor& ddelta, const at::Tensor& p, const at::Tensor& dp) {
  std::vector<ParameterGradient> result = projection_gradients(core, &Branch::dt_proj);
  const at::Tensor dt = p.narrow(2, 0, core.padded_rank());
  const at::Tensor ddt = dp.narrow(2, 0, core.padded_rank());
  const at::Tensor& weight = core.prepared.dt_proj;
  if (narrow_products(with_padding(core, {ddelta, dt, weight, ddt}), result)) {
    return result;
  }
  batched_product(ddelta, weight, ddt);
  for (int64_t i = 0; i < std::ssize(result); ++i) {
    // Not batched: these products are long sums for few results, which only single products split.
    if (core.is_padded()) {
      result[i].add_parts_of_product(ddelta[i].t(), dt[i], [&core](const at::Tensor& padded) {
        return std::vector<at::Tensor>{padded.narrow(1, 0, core.dt_rank())};
      });
    } else {
      result[i].add_product(ddelta[i].t(), dt[i]);
    }
  }
  return result;
}

// x_proj's gradient, from dp as a whole.
std::vector<ParameterGradient> x_proj_backward(
    const MambaCore& core, const at::Tensor& u, const at::Tensor& dp) {
  std::vector<ParameterGradient> result = projection_gradients(core, &Branch::x_proj);
  NarrowProducts products = with_padding(core, {u, dp});
  products.transposed = true;
  const bool ends_padded = core.padded_rank() + 2 * core.d_state() < dp.size(2);
  if (!ends_padded && narrow_products(products, result)) {
    return result;
  }
  for (int64_t i = 0; i < std::ssize(result); ++i) {
    if (core.is_padded()) {
      result[i].add_parts_of_product(
          dp[i].t(), u[i], [&core](const at::Tensor& padded) { return take_x_proj(core, padded); });
    } else {
      result[i].add_product(dp[i].t(), u[i]);
    }
  }
  return result;
}

// Everything behind the scan's backward, which has filled `grads`; the gradients in the order of
// the node's inputs, without the out-projection's.
std::vector<at::Tensor> parameter_grads(
    const MambaCore& core, const Projected& projected, CoreGrads& grads) {
  if (core.num_projected() < core.branches.size()) {
    merge_shared(core, grads);
  }
  const at::Tensor dp = as_matrices(used_columns(core, grads.dp));
  const int64_t filled = core.padded_rank() + 2 * core.d_state();
  if (filled < dp.size(2)) {
    dp.narrow(2, filled, dp.size(2) - filled).zero_();
  }
  auto dt_proj = dt_proj_backward(core, as_matrices(grads.ddelta), as_matrices(projected.p), dp);
  auto x_proj = x_proj_backward(core, as_matrices(projected.u), dp);
  // The convolution's outputs get a share of dp, too: dp times x_proj.
  const ConvGrads conv = conv_backward(
      core.x(),
      core.conv_branches(),
      /*silu=*/true,
      {grads.du, used_columns(core, grads.dp), core.prepared.x_proj},
      grads.dxz.narrow(2, 0, core.d_inner()),
      core.options.gradient_mode);
  std::vector<at::Tensor> result = {grads.dxz};
  for (size_t i = 0; i < core.branches.size(); ++i) {
    const bool projects = i < core.num_projected();
    result.push_back(projects ? conv.weight[i] : at::Tensor());
    result.push_back(projects ? conv.bias[i] : at::Tensor());
    result.push_back(projects ? x_proj[i].finish() : at::Tensor());
    result.push_back(at::Tensor());
    result.push_back(projects ? dt_proj[i].finish() : at::Tensor());
    result.push_back(at::Tensor());
    result.push_back(projects ? grads.dt_bias[i].finish() : at::Tensor());
    result.push_back(grads.A_log[i].finish());
    result.push_back(projects ? grads.D[i].finish() : at::Tensor());
  }
  return result;
}

at::Tensor out_weight(const MambaCore& core) {
  const Weight& weight = core.options.out_proj;
  return weight_in(weight.value, weight.shadow, core.xz.scalar_type());
}

at::Tensor multiply_out(const MambaCore& core, const at::Tensor& y) {
  return cuda::matmul(as_rows(y), out_weight(core).t()).view({y.size(0), y.size(1), -1});
}

}  // namespace

int64_t round_to_vectors(int64_t columns) {
  constexpr int64_t kVector = 8;  // elements of 16 bits
  return (columns + kVector - 1) / kVector * kVector;
}

bool MambaCore::is_padded() const { return prepared.x_proj.size(1) != branches[0].x_proj.size(0); }

std::vector<ConvBranch> MambaCore::conv_branches() const {
  std::vector<ConvBranch> result;
  for (size_t i = 0; i < num_projected(); ++i) {
    result.push_back({branches[i].conv_weight, branches[i].conv_bias, branches[i].conv_reversed});
  }
  return result;
}

at::Tensor mamba_core_forward(const MambaCore& core, MambaCoreSaved* saved) {
  Projected projected;
  projected.p = make_projections(core, static_cast<int64_t>(core.num_projected()));
  projected.u = conv_forward(
      core.x(),
      core.conv_branches(),
      /*silu=*/true,
      {core.prepared.x_proj, used_columns(core, projected.p)});
  MambaCoreSaved made;
  made.p = projected.p;
  if (saved != nullptr && DeviceCall(core.xz).is_on_device()) {
    made.ungated = at::empty(projected.u[0].sizes(), projected.u.options());
  }
  const bool keeps = saved != nullptr && core.options.keeps_activations;
  ScanShared shared = scan_shared(core, made);
  std::vector<ScanBranch> branches = scan_branches(core, projected);
  if (keeps || !scan_projects_delta(branches, shared)) {
    projected.delta = make_delta(core, projected.u, projected.p);
    branches = scan_branches(core, projected);
  }
  if (keeps) {
    made.u = projected.u;
    made.delta = projected.delta;
    shared.kept_states = made.kept_states = make_kept_states(branches, shared);
  }
  if (core.options.overwrites_xz && core.has_out_proj() && saved == nullptr) {
    shared.out = core.x();  // the convolutions have read it
  }
  const at::Tensor y = scan_forward(branches, shared);
  if (saved != nullptr) {
    *saved = made;
  }
  return core.has_out_proj() ? multiply_out(core, y) : y;
}

std::vector<at::Tensor> mamba_core_backward(
    const MambaCore& core, const MambaCoreSaved& saved, const at::Tensor& dout) {
  Projected projected;
  projected.u =
      saved.u.defined() ? saved.u : conv_forward(core.x(), core.conv_branches(), /*silu=*/true);
  projected.p = saved.p;
  projected.delta =
      saved.delta.defined() ? saved.delta : make_delta(core, projected.u, projected.p);
  CoreGrads grads = make_grads(core, projected.u);
  std::vector<ScanBranchGrads> by_branch = scan_grads(core, grads);
  ParameterGradient out_proj(core.options.out_proj.value, core.options.gradient_mode);
  at::Tensor dy = dout;
  at::Tensor y;
  if (core.has_out_proj()) {
    dy = cuda::matmul(as_rows(dout), out_weight(core)).view(projected.u[0].sizes());
    y = at::empty(dy.sizes(), dy.options());
  }
  ScanShared shared = scan_shared(core, saved);
  shared.sums_may_wait = grads.sums_may_wait();
  scan_backward(
      scan_branches(core, projected),
      shared,
      dy,
      by_branch,
      grads.dxz.narrow(2, core.d_inner(), core.d_inner()),
      y);
  if (core.has_out_proj()) {
    out_proj.add_product(as_rows(dout).t(), as_rows(y));
    dy = y = at::Tensor();
  }
  projected.delta = at::Tensor();  // its memory serves what follows
  std::vector<at::Tensor> result = parameter_grads(core, projected, grads);
  result.push_back(core.has_out_proj() ? out_proj.finish() : at::Tensor());
  result.emplace_back();
  return result;
}

}  // namespace vim::ops
