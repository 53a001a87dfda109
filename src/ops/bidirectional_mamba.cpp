// The mixer's core, forward and hand-written backward. Per branch: u = conv(x), p = u x_proj^T,
// delta = p[:, :dt_rank] dt_proj^T, B and C are the next columns of p; then one scan over all
// branches.
#include "src/ops/bidirectional_mamba.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/types.h"
#include "src/ops/conv_launch.h"
#include "src/ops/kernel_args.h"
#include "src/ops/linear.h"
#include "src/ops/optional_tensors.h"
#include "src/ops/scan_launch.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Tensors of one branch in the order in which they enter and leave the autograd node.
constexpr size_t kTensorsPerBranch = 9;

variable_list pack(const Branch& branch) {
  return {
      branch.conv_weight,
      branch.conv_bias,
      branch.x_proj,
      branch.x_proj_shadow,
      branch.dt_proj,
      branch.dt_proj_shadow,
      branch.dt_bias,
      branch.A,
      branch.D};
}

// Directions and sharing of two branches, as bits of one integer that autograd can keep.
constexpr int64_t kConvReversed = 1;
constexpr int64_t kScanReversed = 2;
constexpr int64_t kSharesProjections = 4;

int64_t pack_flags(const Branch& branch) {
  return (branch.conv_reversed ? kConvReversed : 0) | (branch.scan_reversed ? kScanReversed : 0) |
         (branch.shares_projections ? kSharesProjections : 0);
}

Branch unpack(at::TensorList tensors, int64_t flags) {
  return {
      tensors[0],
      tensors[1],
      tensors[2],
      tensors[3],
      tensors[4],
      tensors[5],
      tensors[6],
      tensors[7],
      tensors[8],
      (flags & kConvReversed) != 0,
      (flags & kScanReversed) != 0,
      (flags & kSharesProjections) != 0};
}

struct Core {
  at::Tensor xz;
  std::vector<Branch> branches;
  BidirectionalMambaOptions options;

  int64_t d_inner() const { return xz.size(2) / 2; }
  int64_t d_state() const { return branches[0].A.size(1); }
  int64_t dt_rank() const { return branches[0].dt_proj.size(1); }
  at::Tensor x() const { return xz.narrow(2, 0, d_inner()); }
  at::Tensor z() const { return xz.narrow(2, d_inner(), d_inner()); }
  // Branches with a convolution and projections of their own: all, or the first alone.
  size_t num_projected() const { return branches.back().shares_projections ? 1 : branches.size(); }

  std::vector<ConvBranch> conv_branches() const {
    std::vector<ConvBranch> result;
    for (size_t i = 0; i < num_projected(); ++i) {
      result.push_back({branches[i].conv_weight, branches[i].conv_bias, branches[i].conv_reversed});
    }
    return result;
  }
  ScanShared scan_shared() const { return {z(), true, options.scale, options.gate_defect}; }
};

at::Tensor as_rows(const at::Tensor& tokens) { return tokens.view({-1, tokens.size(-1)}); }

// The scan's view of each branch: u as convolved, delta, B and C as projected. `projected[i]` is
// (batch, seqlen, dt_rank + 2 d_state).
std::vector<ScanBranch> scan_branches(
    const Core& core,
    const std::vector<at::Tensor>& convolved,
    const std::vector<at::Tensor>& projected) {
  const at::ScalarType dtype = core.xz.scalar_type();
  std::vector<ScanBranch> result;
  for (size_t i = 0; i < core.branches.size(); ++i) {
    const Branch& branch = core.branches[i];
    if (branch.shares_projections) {
      result.push_back(result[0]);
    } else {
      const at::Tensor& p = projected[i];
      const at::Tensor dt_weight = weight_in(branch.dt_proj, branch.dt_proj_shadow, dtype);
      const at::Tensor delta = at::mm(as_rows(p).narrow(1, 0, core.dt_rank()), dt_weight.t());
      ScanBranch& scan = result.emplace_back();
      scan.u = convolved[i];
      scan.delta = delta.view(convolved[i].sizes());
      scan.B = p.narrow(2, core.dt_rank(), core.d_state());
      scan.C = p.narrow(2, core.dt_rank() + core.d_state(), core.d_state());
    }
    result.back().A = branch.A;
    result.back().D = branch.D;
    result.back().delta_bias = branch.dt_bias;
    result.back().reversed = branch.scan_reversed;
  }
  return result;
}

// Gradient buffers of one branch's scan, with dB and dC as columns of the projection's gradient.
ScanBranchGrads make_scan_grads(const Core& core, const at::Tensor& dprojected) {
  ScanBranchGrads grads;
  grads.dB = dprojected.narrow(2, core.dt_rank(), core.d_state());
  grads.dC = dprojected.narrow(2, core.dt_rank() + core.d_state(), core.d_state());
  return grads;
}

// Adds what the second scan of v1 leaves for the shared tensors to the first one's gradients.
void merge_shared(std::vector<ScanBranchGrads>& grads) {
  ScanBranchGrads& first = grads[0];
  const ScanBranchGrads& second = grads[1];
  first.du.add_(second.du);
  first.ddelta.add_(second.ddelta);
  first.dB.add_(second.dB);
  first.dC.add_(second.dC);
  first.dD.add_(second.dD);
  first.ddelta_bias.add_(second.ddelta_bias);
}

struct ProjectionGrads {
  at::Tensor x_proj;
  at::Tensor dt_proj;
};

// From ddelta, dB and dC back through both projections; adds the convolution output's share to du.
ProjectionGrads projection_backward(
    const Core& core,
    const Branch& branch,
    const at::Tensor& convolved,
    const at::Tensor& projected,
    const at::Tensor& dprojected,
    const ScanBranchGrads& scan) {
  const at::ScalarType dtype = core.xz.scalar_type();
  const at::Tensor ddelta = as_rows(scan.ddelta);
  const at::Tensor dp = as_rows(dprojected);
  at::Tensor dp_rank = dp.narrow(1, 0, core.dt_rank());
  at::mm_out(dp_rank, ddelta, weight_in(branch.dt_proj, branch.dt_proj_shadow, dtype));
  at::Tensor du = as_rows(scan.du);
  du.addmm_(dp, weight_in(branch.x_proj, branch.x_proj_shadow, dtype));
  return {
      weight_gradient(dp, as_rows(convolved)),
      weight_gradient(ddelta, as_rows(projected).narrow(1, 0, core.dt_rank()))};
}

class BidirectionalMambaFunction : public torch::autograd::Function<BidirectionalMambaFunction> {
 public:
  // tensors: xz, then kTensorsPerBranch for each branch; those that are defined, at these places.
  static at::Tensor forward(
      AutogradContext* context,
      at::TensorList defined,
      const std::vector<int64_t>& places,
      const std::vector<int64_t>& flags,
      const BidirectionalMambaOptions& options) {
    const variable_list tensors = scatter(defined, places, num_tensors(flags));
    const Core core = make_core(tensors, flags, options);
    const auto convolved = conv_forward(core.x(), core.conv_branches(), /*silu=*/true);
    std::vector<at::Tensor> projected;
    for (size_t i = 0; i < convolved.size(); ++i) {
      const Branch& branch = core.branches[i];
      const at::Tensor weight =
          weight_in(branch.x_proj, branch.x_proj_shadow, core.xz.scalar_type());
      const at::Tensor rows = at::mm(as_rows(convolved[i]), weight.t());
      projected.push_back(rows.view({core.xz.size(0), core.xz.size(1), rows.size(1)}));
    }
    variable_list saved = tensors;
    saved.insert(saved.end(), projected.begin(), projected.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["places"] = places;
    context->saved_data["flags"] = flags;
    context->saved_data["scale"] = options.scale;
    context->saved_data["gate_defect"] = options.gate_defect;
    return scan_forward(scan_branches(core, convolved, projected), core.scan_shared());
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const auto flags = context->saved_data["flags"].toIntVector();
    const BidirectionalMambaOptions options{
        context->saved_data["scale"].toDouble(), context->saved_data["gate_defect"].toBool()};
    const at::TensorList all(saved);
    const Core core = make_core(all.slice(0, num_tensors(flags)), flags, options);
    const std::vector<at::Tensor> projected = all.slice(num_tensors(flags)).vec();
    const variable_list grads = backward_core(core, projected, grad_outputs[0].contiguous());
    variable_list result = gather(grads, context->saved_data["places"].toIntVector());
    result.resize(result.size() + 3);  // nothing for places, flags and options
    return result;
  }

 private:
  static size_t num_tensors(const std::vector<int64_t>& flags) {
    return 1 + kTensorsPerBranch * flags.size();
  }
  static Core make_core(
      at::TensorList tensors,
      const std::vector<int64_t>& flags,
      const BidirectionalMambaOptions& options) {
    Core core{tensors[0], {}, options};
    for (size_t i = 0; i < flags.size(); ++i) {
      core.branches.push_back(
          unpack(tensors.slice(1 + i * kTensorsPerBranch, kTensorsPerBranch), flags[i]));
    }
    return core;
  }

  static variable_list backward_core(
      const Core& core, const std::vector<at::Tensor>& projected, const at::Tensor& dout) {
    const auto convolved = conv_forward(core.x(), core.conv_branches(), /*silu=*/true);
    const at::Tensor dxz = at::empty(core.xz.sizes(), core.xz.options());
    std::vector<at::Tensor> dprojected;
    std::vector<ScanBranchGrads> scan_grads;
    for (size_t i = 0; i < core.branches.size(); ++i) {
      dprojected.push_back(at::empty(projected[0].sizes(), projected[0].options()));
      scan_grads.push_back(make_scan_grads(core, dprojected[i]));
    }
    scan_backward(
        scan_branches(core, convolved, projected),
        core.scan_shared(),
        dout,
        scan_grads,
        dxz.narrow(2, core.d_inner(), core.d_inner()));
    if (core.num_projected() < core.branches.size()) {
      merge_shared(scan_grads);
    }

    std::vector<at::Tensor> du;
    std::vector<ProjectionGrads> projection_grads;
    for (size_t i = 0; i < core.num_projected(); ++i) {
      projection_grads.push_back(projection_backward(
          core, core.branches[i], convolved[i], projected[i], dprojected[i], scan_grads[i]));
      du.push_back(scan_grads[i].du);
    }
    const ConvGrads conv_grads = conv_backward(
        core.x(), core.conv_branches(), /*silu=*/true, du, dxz.narrow(2, 0, core.d_inner()));

    variable_list grads = {dxz};
    for (size_t i = 0; i < core.branches.size(); ++i) {
      const bool projects = i < core.num_projected();
      grads.push_back(projects ? conv_grads.weight[i] : at::Tensor());
      grads.push_back(projects ? conv_grads.bias[i] : at::Tensor());
      grads.push_back(projects ? projection_grads[i].x_proj : at::Tensor());
      grads.push_back(at::Tensor());
      grads.push_back(projects ? projection_grads[i].dt_proj : at::Tensor());
      grads.push_back(at::Tensor());
      grads.push_back(projects ? scan_grads[i].ddelta_bias : at::Tensor());
      grads.push_back(scan_grads[i].dA);
      grads.push_back(projects ? scan_grads[i].dD : at::Tensor());
    }
    return grads;
  }
};

void check_shadow(const char* what, const at::Tensor& shadow, const at::Tensor& weight) {
  TORCH_CHECK(
      !shadow.defined() || shadow.sizes() == weight.sizes(),
      "bidirectional_mamba: the shadow of ",
      what,
      " must be ",
      weight.sizes(),
      ", got ",
      shadow.sizes());
}

void check_branch(const at::Tensor& xz, const Branch& branch, const Branch& first) {
  const int64_t d_inner = xz.size(2) / 2;
  const int64_t d_state = first.A.size(1);
  const int64_t dt_rank = first.dt_proj.size(1);
  check_float("bidirectional_mamba: x_proj", branch.x_proj, {dt_rank + 2 * d_state, d_inner});
  check_float("bidirectional_mamba: dt_proj", branch.dt_proj, {d_inner, dt_rank});
  check_float("bidirectional_mamba: dt_bias", branch.dt_bias, {d_inner});
  check_float("bidirectional_mamba: A", branch.A, {d_inner, d_state});
  check_float("bidirectional_mamba: D", branch.D, {d_inner});
  check_shadow("x_proj", branch.x_proj_shadow, branch.x_proj);
  check_shadow("dt_proj", branch.dt_proj_shadow, branch.dt_proj);
}

void check_core(const at::Tensor& xz, const std::vector<Branch>& branches) {
  TORCH_CHECK(
      xz.dim() == 3 && xz.size(2) % 2 == 0 && xz.is_contiguous() && xz.numel() > 0,
      "bidirectional_mamba: xz must be a contiguous, non-empty (batch, seqlen, 2 d_inner), got ",
      xz.sizes());
  TORCH_CHECK(
      !branches.empty() && branches.size() <= kernels::kMaxDirections &&
          !branches[0].shares_projections,
      "bidirectional_mamba: expected one or two branches, the first with projections of its own, "
      "got ",
      branches.size());
  TORCH_CHECK(
      branches[0].A.dim() == 2 && branches[0].dt_proj.dim() == 2,
      "bidirectional_mamba: A must be (d_inner, d_state) and dt_proj (d_inner, dt_rank)");
  std::vector<ConvBranch> conv;
  for (const Branch& branch : branches) {
    check_branch(xz, branch, branches[0]);
    conv.push_back({branch.conv_weight, branch.conv_bias, branch.conv_reversed});
  }
  check_conv("bidirectional_mamba", xz.narrow(2, 0, xz.size(2) / 2), conv);
}

}  // namespace

at::Tensor bidirectional_mamba(
    const at::Tensor& xz,
    const std::vector<Branch>& branches,
    const BidirectionalMambaOptions& options) {
  check_core(xz, branches);
  std::vector<at::Tensor> tensors = {xz};
  std::vector<int64_t> flags;
  for (const Branch& branch : branches) {
    const auto packed = pack(branch);
    tensors.insert(tensors.end(), packed.begin(), packed.end());
    flags.push_back(pack_flags(branch));
  }
  const std::vector<int64_t> places = defined_places(tensors);
  const std::vector<at::Tensor> defined = gather(tensors, places);
  return BidirectionalMambaFunction::apply(at::TensorList(defined), places, flags, options);
}

}  // namespace vim::ops
