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

constexpr size_t kKeptTensors = 5;      // of a MambaCoreSaved
constexpr size_t kPreparedTensors = 3;  // of a PreparedBranches

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

// Which tokens a branch walks: with only_token those up to it, from the branch's end of the
// sequence.
struct WalkedTokens {
  int64_t begin;
  int64_t length;
  int64_t last;  // the token that the walk ends at, counted from begin
};

WalkedTokens walked_tokens(const MambaCore& core, const Branch& branch) {
  const int64_t seqlen = core.xz.size(1);
  const int64_t token = *core.options.only_token;
  return branch.scan_reversed ? WalkedTokens{token, seqlen - token, 0}
                              : WalkedTokens{0, token + 1, token};
}

// The core itself or, for one token alone, one for each branch with the tokens it walks.
std::vector<MambaCore> parts_of(const MambaCore& core) {
  if (!core.options.only_token) {
    return {core};
  }
  std::vector<MambaCore> parts;
  for (size_t i = 0; i < core.branches.size(); ++i) {
    const auto place = static_cast<int64_t>(i);
    const WalkedTokens tokens = walked_tokens(core, core.branches[i]);
    MambaCore& part = parts.emplace_back(core);
    part.xz = core.xz.narrow(1, tokens.begin, tokens.length);
    part.branches = {core.branches[i]};
    part.prepared = {
        core.prepared.x_proj.narrow(0, place, 1),
        core.prepared.dt_proj.narrow(0, place, 1),
        core.prepared.A.narrow(0, place, 1)};
  }
  return parts;
}

// saved: one entry for each part, or null.
at::Tensor parts_forward(const MambaCore& core, std::vector<MambaCoreSaved>* saved) {
  at::Tensor sum;
  for (const MambaCore& part : parts_of(core)) {
    MambaCoreSaved kept;
    const at::Tensor y = mamba_core_forward(part, saved == nullptr ? nullptr : &kept);
    if (saved != nullptr) {
      saved->push_back(std::move(kept));
    }
    if (!core.options.only_token) {
      return y;
    }
    const at::Tensor token = y.narrow(1, walked_tokens(core, part.branches[0]).last, 1);
    sum = sum.defined() ? sum + token : token.contiguous();
  }
  return sum;
}

// All parts write into one gradient of xz; the token that all of them end at gets the sum.
variable_list parts_backward(
    const MambaCore& core, const std::vector<MambaCoreSaved>& saved, const at::Tensor& dout) {
  if (!core.options.only_token) {
    return mamba_core_backward(core, saved[0], dout);
  }
  std::vector<MambaCore> parts = parts_of(core);
  const bool reaches_all = parts.size() > 1;
  const at::Tensor dxz = reaches_all ? at::empty_like(core.xz) : at::zeros_like(core.xz);
  const at::Tensor shared = dxz.select(1, *core.options.only_token);
  variable_list result = {dxz};
  at::Tensor before;
  for (size_t i = 0; i < parts.size(); ++i) {
    const WalkedTokens tokens = walked_tokens(core, parts[i].branches[0]);
    const at::Tensor dy = at::zeros({dout.size(0), tokens.length, dout.size(2)}, dout.options());
    dy.narrow(1, tokens.last, 1).copy_(dout);
    parts[i].dxz = dxz.narrow(1, tokens.begin, tokens.length);
    const variable_list grads = mamba_core_backward(parts[i], saved[i], dy);
    result.insert(result.end(), grads.begin() + 1, grads.begin() + 1 + kTensorsPerBranch);
    if (before.defined()) {
      shared.add_(before);
    }
    before = i + 1 < parts.size() ? shared.clone() : at::Tensor();
  }
  result.resize(result.size() + 2);  // nothing for an out_proj
  return result;
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
    std::vector<MambaCoreSaved> kept;
    const at::Tensor out = parts_forward(core, &kept);
    variable_list saved = tensors;
    for (const MambaCoreSaved& part : kept) {
      saved.insert(saved.end(), {part.p, part.ungated, part.u, part.delta, part.kept_states});
    }
    const PreparedBranches& prepared = core.prepared;
    saved.insert(saved.end(), {prepared.x_proj, prepared.dt_proj, prepared.A});
    context->save_for_backward(std::move(saved));
    context->saved_data["places"] = places;
    context->saved_data["flags"] = flags;
    context->saved_data["scale"] = options.scale;
    context->saved_data["gate_defect"] = options.gate_defect;
    context->saved_data["gradient_mode"] = options.gradient_mode;
    context->saved_data["only_token"] = options.only_token;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const auto flags = context->saved_data["flags"].toIntVector();
    BidirectionalMambaOptions options;
    options.scale = context->saved_data["scale"].toDouble();
    options.gate_defect = context->saved_data["gate_defect"].toBool();
    options.gradient_mode = context->saved_data["gradient_mode"].toTensor();
    options.only_token = context->saved_data["only_token"].toOptional<int64_t>();
    const at::TensorList all(saved);
    const at::TensorList prepared = all.slice(all.size() - kPreparedTensors);
    options.prepared = {prepared[0], prepared[1], prepared[2]};
    std::vector<MambaCoreSaved> kept;
    for (size_t i = num_tensors(flags); i + kPreparedTensors < all.size(); i += kKeptTensors) {
      kept.push_back({all[i], all[i + 1], all[i + 2], all[i + 3], all[i + 4]});
    }
    const MambaCore core = make_core(all.slice(0, num_tensors(flags)), flags, options);
    const variable_list grads = parts_backward(core, kept, grad_outputs[0].contiguous());
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
      xz.dim() == 3 && xz.size(2) % 2 == 0 && xz.numel() > 0 && xz.is_contiguous(),
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

void check_only_token(
    const at::Tensor& xz,
    const std::vector<Branch>& branches,
    const BidirectionalMambaOptions& options) {
  const int64_t token = *options.only_token;
  TORCH_CHECK(
      token >= 0 && token < xz.size(1) && !options.out_proj.value.defined(),
      "bidirectional_mamba: only_token must be a token of the sequence, and there must be no "
      "out_proj; got token ",
      token,
      " of ",
      xz.size(1));
  for (const Branch& branch : branches) {
    TORCH_CHECK(
        branch.conv_reversed == branch.scan_reversed && !branch.shares_projections,
        "bidirectional_mamba: only_token needs branches that convolve the way they scan");
  }
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
  if (options.only_token) {
    check_only_token(xz, branches, options);
  }
  if (!at::GradMode::is_enabled()) {
    MambaCore core{xz, branches, options, options.prepared};
    if (!core.prepared.A.defined()) {
      core.prepared = prepare_branches(branches, xz.scalar_type());
    }
    return parts_forward(core, nullptr);
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
