// Checks, launches and autograd of the causal depthwise convolution.
#include "src/ops/causal_conv1d.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/causal_conv1d.h"
#include "src/ops/aside.h"
#include "src/ops/conv_launch.h"
#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"
#include "src/ops/optional_tensors.h"
#include "src/ops/parameter_gradient.h"
#include "src/ops/run_kernel.h"
#include "src/ops/stacked.h"

namespace vim::ops {
namespace {

kernels::ConvParams make_params(
    const at::Tensor& x, const std::vector<ConvBranch>& branches, bool silu) {
  kernels::ConvParams params;
  params.batch = x.size(0);
  params.seqlen = x.size(1);
  params.channels = x.size(2);
  params.width = branches[0].weight.size(2);
  params.dtype = kernel_dtype(x.scalar_type());
  params.silu = silu;
  params.x = token_view(x);
  params.num_directions = static_cast<int>(branches.size());
  for (size_t i = 0; i < branches.size(); ++i) {
    params.direction[i].weight = float_data(branches[i].weight);
    params.direction[i].bias = float_data(branches[i].bias);
    params.direction[i].reversed = branches[i].reversed;
  }
  return params;
}

// Takes the product into the parameters, or adds it to `whole` where no kernel multiplies.
void set_product(
    const at::Tensor& x, const ConvOutputGrads& douts, kernels::ConvBackwardParams& params) {
  if (!douts.left.defined()) {
    return;
  }
  params.depth = douts.left.size(3);
  for (int i = 0; i < params.forward.num_directions; ++i) {
    params.left[i] = token_view(douts.left[i]);
    params.right[i] = douts.right[i].const_data_ptr();
  }
  const DeviceCall call(x);
  if (call.is_on_device() &&
      call.entry(&kernels::DeviceEntries::causal_conv1d_backward_multiplies)(params)) {
    return;
  }
  params.depth = 0;
  const auto as_matrices = [](const at::Tensor& tokens) { return tokens.flatten(1, 2); };
  add_batched_product(as_matrices(douts.left), douts.right, as_matrices(douts.whole));
}

// Takes the projections into the parameters; false, changing nothing, where no kernel makes them.
bool set_projections(
    const at::Tensor& x, const ConvProjections& projections, kernels::ConvParams& params) {
  const DeviceCall call(x);
  if (!projections.weight.defined() || !call.is_on_device()) {
    return false;
  }
  kernels::ConvParams with_projections = params;
  with_projections.columns = projections.weight.size(1);
  for (int i = 0; i < params.num_directions; ++i) {
    with_projections.direction[i].projection = projections.weight[i].const_data_ptr();
    with_projections.direction[i].projected = mutable_token_view(projections.out[i]);
  }
  const bool fits =
      call.entry(&kernels::DeviceEntries::causal_conv1d_forward_projects)(with_projections);
  if (fits) {
    params = with_projections;
  }
  return fits;
}

void launch_forward(const at::Tensor& x, const kernels::ConvParams& params) {
  run_kernel(
      x,
      &kernels::DeviceEntries::causal_conv1d_forward,
      kernels::causal_conv1d_forward,
      kernels::causal_conv1d_num_rows(params),
      params);
}

void launch_backward(const at::Tensor& x, kernels::ConvBackwardParams& params, bool sums_may_wait) {
  const DeviceCall call(x);
  if (call.is_on_device()) {
    const at::Tensor workspace = make_workspace(
        call.entry(&kernels::DeviceEntries::causal_conv1d_backward_workspace_size)(params), x);
    params.workspace = workspace.mutable_data_ptr();
    call.entry (&kernels::DeviceEntries::causal_conv1d_backward)(params, call.stream());
    run_reduce(
        sums_may_wait, {workspace}, &kernels::DeviceEntries::causal_conv1d_backward_reduce, params);
    return;
  }
  const at::Tensor workspace =
      make_workspace(kernels::causal_conv1d_backward_workspace_size(params), x);
  params.workspace = workspace.mutable_data_ptr();
  parallel_rows(kernels::causal_conv1d_num_rows(params.forward), [&params](kernels::RowRange rows) {
    kernels::causal_conv1d_backward(params, rows);
  });
  parallel_rows(
      kernels::causal_conv1d_backward_reduce_num_rows(params),
      [&params](kernels::RowRange rows) { kernels::causal_conv1d_backward_reduce(params, rows); });
}

class CausalConv1dFunction : public torch::autograd::Function<CausalConv1dFunction> {
 public:
  static at::Tensor forward(
      torch::autograd::AutogradContext* context,
      const at::Tensor& x,
      const at::Tensor& weight,
      const std::optional<at::Tensor>& optional_bias,
      const CausalConv1dOptions& options) {
    const at::Tensor bias = from_optional(optional_bias);
    context->save_for_backward({x, weight, bias});
    context->saved_data["silu"] = options.silu;
    context->saved_data["reversed"] = options.reversed;
    return conv_forward(x, {{weight, bias, options.reversed}}, options.silu)[0];
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      const torch::autograd::variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor dx = at::empty(saved[0].sizes(), saved[0].options());
    const auto grads = conv_backward(
        saved[0],
        {{saved[1], saved[2], context->saved_data["reversed"].toBool()}},
        context->saved_data["silu"].toBool(),
        {grad_outputs[0].contiguous().unsqueeze(0), {}, {}},
        dx);
    return {dx, grads.weight[0], grads.bias[0], at::Tensor()};
  }
};

}  // namespace

void check_conv(const char* op, const at::Tensor& x, const std::vector<ConvBranch>& branches) {
  TORCH_CHECK(x.dim() == 3, op, ": x must be (batch, seqlen, channels), got ", x.sizes());
  check_tokens(std::string(op) + ": x", x, x.sizes(), x.scalar_type());
  TORCH_CHECK(x.numel() > 0, op, ": x must not be empty, got ", x.sizes());
  const int64_t channels = x.size(2);
  for (const ConvBranch& branch : branches) {
    TORCH_CHECK(
        branch.weight.dim() == 3 && branch.weight.size(2) >= 1 &&
            branch.weight.size(2) <= kernels::kMaxConvWidth,
        op,
        ": conv weight must be (channels, 1, width) with width 1 to ",
        kernels::kMaxConvWidth,
        ", got ",
        branch.weight.sizes());
    const int64_t width = branches[0].weight.size(2);
    check_float(std::string(op) + ": conv weight", branch.weight, {channels, 1, width});
    if (branch.bias.defined()) {
      check_float(std::string(op) + ": conv bias", branch.bias, {channels});
    }
    check_one_device(op, {x, branch.weight, branch.bias});
  }
}

at::Tensor conv_forward(
    const at::Tensor& x,
    const std::vector<ConvBranch>& branches,
    bool silu,
    const ConvProjections& projections) {
  kernels::ConvParams params = make_params(x, branches, silu);
  const auto num_branches = static_cast<int64_t>(branches.size());
  const at::Tensor outs = at::empty({num_branches, x.size(0), x.size(1), x.size(2)}, x.options());
  for (int64_t i = 0; i < num_branches; ++i) {
    params.direction[i].out = mutable_token_view(outs[i]);
  }
  const bool are_projected = set_projections(x, projections, params);
  launch_forward(x, params);
  if (projections.weight.defined() && !are_projected) {
    batched_product(
        outs.flatten(1, 2), projections.weight.transpose(1, 2), projections.out.flatten(1, 2));
  }
  return outs;
}

ConvGrads conv_backward(
    const at::Tensor& x,
    const std::vector<ConvBranch>& branches,
    bool silu,
    const ConvOutputGrads& douts,
    const at::Tensor& dx,
    const at::Tensor& gradient_mode) {
  kernels::ConvBackwardParams params;
  params.forward = make_params(x, branches, silu);
  params.dx = mutable_token_view(dx);
  std::vector<ParameterGradient> weights;
  std::vector<ParameterGradient> biases;
  for (size_t i = 0; i < branches.size(); ++i) {
    params.dout[i] = token_view(douts.whole[static_cast<int64_t>(i)]);
    weights.emplace_back(branches[i].weight, gradient_mode);
    biases.emplace_back(branches[i].bias, gradient_mode);
    params.dweight[i] = float_data(weights[i].buffer());
    params.dbias[i] = float_data(biases[i].buffer());
  }
  set_product(x, douts, params);
  launch_backward(x, params, may_all_wait(weights) && may_all_wait(biases));
  ConvGrads grads;
  for (size_t i = 0; i < branches.size(); ++i) {
    grads.weight.push_back(weights[i].finish());
    grads.bias.push_back(biases[i].finish());
  }
  return grads;
}

at::Tensor causal_conv1d(
    const at::Tensor& x,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const CausalConv1dOptions& options) {
  check_conv("causal_conv1d", x, {{weight, bias, options.reversed}});
  return CausalConv1dFunction::apply(x, weight, to_optional(bias), options);
}

}  // namespace vim::ops
