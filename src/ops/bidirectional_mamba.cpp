// Checks and autograd of the mixer's core; its arithmetic is in mamba_core.
#include "src/ops/bidirectional_mamba.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/types.h"
#include "src/ops/conv_launch.h"
#include "src/ops/kernel_args.h"
#include "src/ops/mamba_core.h"
#include "src/ops/optional_tensors.h"

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
      branch.A_log,
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

class BidirectionalMambaFunction : public torch::autograd::Function<BidirectionalMambaFunction> {
 public:
  // tensors: xz, kTensorsPerBranch for each branch, out_proj and its shadow; those that are
  // defined, at these places.
  static at::Tensor forward(
      AutogradContext* context,
      at::TensorList defined,
      const std::vector<int64_t>& places,
      const std::vector<int64_t>& flags,
      const BidirectionalMambaOptions& options) {
    const variable_list tensors = scatter(defined, places, num_tensors(flags));
    const MambaCore core = make_core(tensors, flags, options);
    MambaCoreSaved kept;
    const at::Tensor out = mamba_core_forward(core, &kept);
    const PreparedBranches& prepared = core.prepared;
    variable_list saved = tensors;
    for (const at::Tensor& made :
         {kept.p,
          kept.ungated,
          kept.u,
          kept.delta,
          kept.kept_states,
          prepared.x_proj,
          prepared.dt_proj,
          prepared.A}) {
      saved.push_back(made);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["places"] = places;
    context->saved_data["flags"] = flags;
    context->saved_data["scale"] = options.scale;
    context->saved_data["gate_defect"] = options.gate_defect;
    context->saved_data["gradient_mode"] = options.gradient_mode;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const auto flags = context->saved_data["flags"].toIntVector();
    BidirectionalMambaOptions options;
    options.scale = context->saved_data["scale"].toDouble();
    options.gate_defect = context->saved_data["gate_defect"].toBool();
    options.gradient_mode = context->saved_data["gradient_mode"].toTensor();
    const at::TensorList all(saved);
    const at::TensorList made = all.slice(num_tensors(flags));
    options.prepared = {made[5], made[6], made[7]};
    const MambaCore core = make_core(all.slice(0, num_tensors(flags)), flags, options);
    const MambaCoreSaved kept{made[0], made[1], made[2], made[3], made[4]};
    const variable_list grads = mamba_core_backward(core, kept, grad_outputs[0].contiguous());
    variable_list result = gather(grads, context->saved_data["places"].toIntVector());
    result.resize(result.size() + 3);  // nothing for places, flags and options
    return result;
  }

 private:
  static size_t num_tensors(const std::vector<int64_t>& flags) {
    return 1 + kTensorsPerBranch * flags.size() + 2;
  }

  static MambaCore make_core(
      at::TensorList tensors,
      const std::vector<int64_t>& flags,
      const BidirectionalMambaOptions& options) {
    MambaCore core;
    core.xz = tensors[0];
    core.options = options;
    for (size_t i = 0; i < flags.size(); ++i) {
      core.branches.push_back(
          unpack(tensors.slice(1 + i * kTensorsPerBranch, kTensorsPerBranch), flags[i]));
    }
    core.prepared = options.prepared.A.defined()
                        ? options.prepared
                        : prepare_branches(core.branches, core.xz.scalar_type());
    core.options.out_proj.value = tensors[tensors.size() - 2];
    core.options.out_proj.shadow = tensors[tensors.size() - 1];
    return core;
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
  const int64_t d_state = first.A_log.size(1);
  const int64_t dt_rank = first.dt_proj.size(1);
  check_float("bidirectional_mamba: x_proj", branch.x_proj, {dt_rank + 2 * d_state, d_inner});
  check_float("bidirectional_mamba: dt_proj", branch.dt_proj, {d_inner, dt_rank});
  check_float("bidirectional_mamba: dt_bias", branch.dt_bias, {d_inner});
  check_float("bidirectional_mamba: A_log", branch.A_log, {d_inner, d_state});
  check_float("bidirectional_mamba: D", branch.D, {d_inner});
  check_shadow("x_proj", branch.x_proj_shadow, branch.x_proj);
  check_shadow("dt_proj", branch.dt_proj_shadow, branch.dt_proj);
  check_one_device(
      "bidirectional_mamba",
      {xz, branch.x_proj, branch.dt_proj, branch.dt_bias, branch.A_log, branch.D});
}

void check_core(const at::Tensor& xz, const std::vector<Branch>& branches) {
  TORCH_CHECK(
      xz.dim() == 3 && xz.size(2) % 2 == 0 && xz.numel() > 0 &&
          (xz.is_contiguous() || !at::GradMode::is_enabled()),
      "bidirectional_mamba: xz must be a contiguous, non-empty (batch, seqlen, 2 d_inner), got ",
      xz.sizes());
  TORCH_CHECK(
      !branches.empty() && branches.size() <= kernels::kMaxDirections &&
          !branches[0].shares_projections,
      "bidirectional_mamba: expected one or two branches, the first with projections of its own, "
      "got ",
      branches.size());
  TORCH_CHECK(
      branches[0].A_log.dim() == 2 && branches[0].dt_proj.dim() == 2,
      "bidirectional_mamba: A_log must be (d_inner, d_state) and dt_proj (d_inner, dt_rank)");
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
  if (options.out_proj.value.defined()) {
    check_weight("bidirectional_mamba", options.out_proj, xz.size(2) / 2);
  }
  if (!at::GradMode::is_enabled()) {
    MambaCore core{xz, branches, options, options.prepared};
    if (!core.prepared.A.defined()) {
      core.prepared = prepare_branches(branches, xz.scalar_type());
    }
    return mamba_core_forward(core, nullptr);
  }
  std::vector<at::Tensor> tensors = {xz};
  std::vector<int64_t> flags;
  for (const Branch& branch : branches) {
    const auto packed = pack(branch);
    tensors.insert(tensors.end(), packed.begin(), packed.end());
    flags.push_back(pack_flags(branch));
  }
  tensors.push_back(options.out_proj.value);
  tensors.push_back(options.out_proj.shadow);
  const std::vector<int64_t> places = defined_places(tensors);
  const std::vector<at::Tensor> defined = gather(tensors, places);
  return BidirectionalMambaFunction::apply(at::TensorList(defined), places, flags, options);
}

}  // namespace vim::ops
