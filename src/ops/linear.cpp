// The linear op: a GEMM forward, two backward.
#include "src/ops/linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "src/ops/optional_tensors.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor as_rows(const at::Tensor& tokens) { return tokens.reshape({-1, tokens.size(-1)}); }

at::Tensor with_last_size(const at::Tensor& rows, const at::Tensor& like) {
  auto shape = like.sizes().vec();
  shape.back() = rows.size(1);
  return rows.view(shape);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(
      AutogradContext* context,
      const at::Tensor& input,
      const at::Tensor& weight,
      const std::optional<at::Tensor>& shadow,
      const std::optional<at::Tensor>& bias) {
    const at::Tensor used = weight_in(weight, from_optional(shadow), input.scalar_type());
    context->save_for_backward({input, used});
    context->saved_data["has_bias"] = bias.has_value();
    const at::Tensor rows = as_rows(input);
    const at::Tensor out =
        bias ? at::addmm(bias->to(input.scalar_type()), rows, used.t()) : at::mm(rows, used.t());
    return with_last_size(out, input);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& input = saved[0];
    const at::Tensor dout = as_rows(grad_outputs[0]);
    at::Tensor dinput;
    if (context->needs_input_grad(0)) {
      dinput = with_last_size(at::mm(dout, saved[1]), input);
    }
    at::Tensor dbias;
    if (context->saved_data["has_bias"].toBool()) {
      dbias = at::sum(dout, {0}, /*keepdim=*/false, at::kFloat);
    }
    return {dinput, weight_gradient(dout, as_rows(input)), at::Tensor(), dbias};
  }
};

}  // namespace

at::Tensor weight_in(const at::Tensor& weight, const at::Tensor& shadow, at::ScalarType dtype) {
  if (weight.scalar_type() == dtype) {
    return weight;
  }
  return shadow.defined() && shadow.scalar_type() == dtype ? shadow : weight.detach().to(dtype);
}

at::Tensor weight_gradient(const at::Tensor& dout, const at::Tensor& input) {
  // On the CPU a 16-bit product would also round its result to 16 bits, so both sides are widened
  // first.
  return at::mm(dout.to(at::kFloat).t(), input.to(at::kFloat));
}

at::Tensor linear(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& shadow,
    const at::Tensor& bias) {
  TORCH_CHECK(
      weight.dim() == 2 && input.dim() >= 1 && input.size(-1) == weight.size(1),
      "linear: input must be (..., in_features) for a weight (out_features, in_features), got ",
      input.sizes(),
      " and ",
      weight.sizes());
  TORCH_CHECK(
      !bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
      "linear: bias must be (out_features) = [",
      weight.size(0),
      "], got ",
      bias.sizes());
  TORCH_CHECK(
      !shadow.defined() || shadow.sizes() == weight.sizes(),
      "linear: shadow must be ",
      weight.sizes(),
      ", got ",
      shadow.sizes());
  return LinearFunction::apply(input, weight, to_optional(shadow), to_optional(bias));
}

}  // namespace vim::ops
