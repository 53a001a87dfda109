// in_proj, the two-directional core, out_proj; and the official initialisation of all three.
#include "src/nn/mamba_mixer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/nn/init.h"

namespace vim::nn {
namespace {

// Up to this size of xz the gated sum has memory of its own, which stays in a GPU's cache: writing
// it over x makes the scan 1 % slower.
constexpr size_t kCachedBytes = size_t{64} << 20;

// ln(1 ... d_state) in every row: the real S4D start of A.
at::Tensor initial_A_log(int64_t d_inner, int64_t d_state) {
  return at::arange(1, d_state + 1, at::kFloat).log().repeat({d_inner, 1});
}

}  // namespace

DepthwiseConvImpl::DepthwiseConvImpl(int64_t channels, int64_t width, bool has_bias) {
  weight = register_parameter("weight", at::zeros({channels, 1, width}));
  if (has_bias) {
    bias = register_parameter("bias", at::zeros({channels}));
  }
}

void DepthwiseConvImpl::reset_parameters(at::Generator& generator) {
  const int64_t width = weight.size(2);
  init_kaiming_uniform(weight, width, generator);
  if (bias.defined()) {
    init_uniform(bias, 1.0 / std::sqrt(static_cast<double>(width)), generator);
  }
}

MambaMixerImpl::MambaMixerImpl(const MambaMixerOptions& options) : options_(options) {
  const int64_t d_inner = options_.d_inner();
  TORCH_CHECK(
      options_.embed_dim > 0 && d_inner > 0 && options_.d_state > 0,
      "MambaMixer: embed_dim, expand * embed_dim and d_state must be positive");
  if (options_.layer_scale) {
    gamma_ = register_parameter("gamma", at::full({options_.embed_dim}, *options_.layer_scale));
  }
  // A module's own parameters precede its submodules in the state dict, whatever the order of these
  // calls.
  const at::Tensor A_log = initial_A_log(d_inner, options_.d_state);
  forward_.A_log = register_parameter("A_log", A_log.clone());
  forward_.D = register_parameter("D", at::ones({d_inner}));
  if (options_.bimamba != Bimamba::kNone) {
    backward_.A_log = register_parameter("A_b_log", A_log.clone());
  }
  if (options_.bimamba == Bimamba::kV2) {
    backward_.D = register_parameter("D_b", at::ones({d_inner}));
  }
  in_proj_ = register_module(
      "in_proj", Linear(LinearOptions{options_.embed_dim, 2 * d_inner, options_.linear_bias}));
  register_direction(forward_, "");
  if (options_.bimamba == Bimamba::kV2) {
    register_direction(backward_, "_b");
  }
  out_proj_ = register_module(
      "out_proj", Linear(LinearOptions{d_inner, options_.embed_dim, options_.linear_bias}));
}

void MambaMixerImpl::register_direction(Direction& direction, const std::string& suffix) {
  const int64_t d_inner = options_.d_inner();
  const int64_t dt_rank = options_.effective_dt_rank();
  direction.conv = register_module(
      "conv1d" + suffix, DepthwiseConv(d_inner, options_.d_conv, options_.conv_bias));
  direction.x_proj = register_module(
      "x_proj" + suffix, Linear(LinearOptions{d_inner, dt_rank + 2 * options_.d_state, false}));
  direction.dt_proj =
      register_module("dt_proj" + suffix, Linear(LinearOptions{dt_rank, d_inner, true}));
}

void MambaMixerImpl::reset_parameters(at::Generator& generator, bool zero_backward_dt_bias) {
  const at::NoGradGuard no_grad;
  in_proj_->reset_parameters(generator);
  forward_.conv->reset_parameters(generator);
  forward_.x_proj->reset_parameters(generator);
  draw_dt_proj(forward_, generator, /*draws_delta=*/true);
  if (options_.bimamba == Bimamba::kV2) {
    backward_.conv->reset_parameters(generator);
    backward_.x_proj->reset_parameters(generator);
    draw_dt_proj(backward_, generator, /*draws_delta=*/!zero_backward_dt_bias);
  }
  out_proj_->reset_parameters(generator);
  for (Linear* linear : {&in_proj_, &out_proj_}) {
    if ((*linear)->bias.defined()) {
      (*linear)->bias.zero_();
    }
  }
}

// draws_delta: the bias becomes the inverse softplus of a log-uniform step in [dt_min, dt_max].
// Without it the weight keeps the linear layer's default and the bias is 0, as the official
// backward branch starts.
void MambaMixerImpl::draw_dt_proj(
    Direction& direction, at::Generator& generator, bool draws_delta) {
  Linear& dt_proj = direction.dt_proj;
  dt_proj->reset_parameters(generator);
  if (!draws_delta) {
    dt_proj->bias.zero_();
    return;
  }
  const double bound =
      std::pow(static_cast<double>(options_.effective_dt_rank()), -0.5) * options_.dt_scale;
  if (options_.dt_init == DtInit::kRandom) {
    init_uniform(dt_proj->weight, bound, generator);
  } else {
    dt_proj->weight.fill_(bound);
  }
  const double log_min = std::log(options_.dt_min);
  const double log_max = std::log(options_.dt_max);
  const at::Tensor uniform = at::empty({options_.d_inner()}).uniform_(0.0, 1.0, generator);
  const at::Tensor delta =
      uniform.mul(log_max - log_min).add(log_min).exp().clamp_min(options_.dt_init_floor);
  dt_proj->bias.copy_(delta + at::log(-at::expm1(-delta)));
}

void MambaMixerImpl::reset_out_proj(at::Generator& generator, double divisor) {
  const at::NoGradGuard no_grad;
  init_kaiming_uniform(out_proj_->weight, options_.d_inner(), generator);
  out_proj_->weight.div_(divisor);
}

ops::Branch MambaMixerImpl::make_branch(const Direction& direction, bool reversed) const {
  ops::Branch branch;
  branch.conv_weight = direction.conv->weight;
  branch.conv_bias = direction.conv->bias;
  branch.x_proj = direction.x_proj->weight;
  branch.x_proj_shadow = direction.x_proj->weight_shadow;
  branch.dt_proj = direction.dt_proj->weight;
  branch.dt_proj_shadow = direction.dt_proj->weight_shadow;
  branch.dt_bias = direction.dt_proj->bias;
  branch.A_log = direction.A_log;
  branch.D = direction.D;
  branch.conv_reversed = reversed;
  branch.scan_reversed = reversed;
  return branch;
}

std::vector<ops::Branch> MambaMixerImpl::branches() const {
  std::vector<ops::Branch> result = {make_branch(forward_, /*reversed=*/false)};
  if (options_.bimamba == Bimamba::kV2) {
    result.push_back(make_branch(backward_, /*reversed=*/true));
  } else if (options_.bimamba == Bimamba::kV1) {
    result.push_back(result[0]);
    result[1].A_log = backward_.A_log;
    result[1].scan_reversed = true;
    result[1].shares_projections = true;
  }
  return result;
}

at::Tensor MambaMixerImpl::forward(
    const at::Tensor& tokens,
    const ops::PreparedBranches& prepared,
    std::optional<int64_t> only_token) {
  return mix(in_proj_->forward(tokens), prepared, only_token);
}

void MambaMixerImpl::prepare_inference(at::ScalarType dtype) {
  prepared_ = ops::prepare_branches(branches(), dtype);
}

at::Tensor MambaMixerImpl::mix(
    const at::Tensor& xz,
    const ops::PreparedBranches& prepared,
    std::optional<int64_t> only_token) {
  ops::BidirectionalMambaOptions options = core_options(prepared);
  options.only_token = only_token;
  options.overwrites_xz = xz.nbytes() > kCachedBytes;
  const bool projects_apart = options_.linear_bias || only_token;
  if (!projects_apart) {
    options.out_proj = out_proj_->op_weight();
  }
  const at::Tensor out = ops::bidirectional_mamba(xz, branches(), options);
  return scaled(projects_apart ? out_proj_->forward(out) : out);
}

ops::BidirectionalMambaOptions MambaMixerImpl::core_options(
    const ops::PreparedBranches& prepared) const {
  ops::BidirectionalMambaOptions options;
  options.scale = options_.bimamba == Bimamba::kV2 && options_.divide_out ? 0.5 : 1.0;
  options.gate_defect = options_.v1_gate_defect && options_.bimamba == Bimamba::kV1;
  options.gradient_mode = gradient_mode;
  options.keeps_activations = keeps_activations;
  const bool was_prepared = prepared.A.defined() || at::GradMode::is_enabled();
  options.prepared = was_prepared ? prepared : prepared_;
  return options;
}

// By the layer scale, where there is one.
at::Tensor MambaMixerImpl::scaled(const at::Tensor& out) const {
  return gamma_.defined() ? (out * gamma_).to(out.scalar_type()) : out;
}

}  // namespace vim::nn
