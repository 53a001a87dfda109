// The linear op: a GEMM forward, two backward.
#include "src/ops/linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "src/cuda/matmul.h"
#include "src/ops/optional_tensors.h"
#include "src/ops/parameter_gradient.h"

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

// Tokens summed over the batch, as rows. On a GPU many rows of few columns are summed faster in two
// steps.
at::Tensor sum_of_batch(const at::Tensor& tokens) {
  return tokens.dim() == 3 ? tokens.sum(0, /*keepdim=*/false, at::kFloat) : as_rows(tokens);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(
      AutogradContext* context,
      const at::Tensor& input,
      const at::Tensor& weight,
      const std::optional<at::Tensor>& bias,
      const Weight& parts) {
    const at::Tensor used = weight_in(weight, parts.shadow, input.scalar_type());
    context->save_for_backward({input, used, weight, from_optional(bias)});
    context->saved_data["gradient_mode"] = parts.gradient_mode;
    const at::Tensor rows = as_rows(input);
    const at::Tensor out = bias ? at::addmm(bias->to(input.scalar_type()), rows, used.t())
                                : cuda::matmul(rows, used.t());
    return with_last_size(out, input);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor mode = context->saved_data["gradient_mode"].toTensor();
    const at::Tensor& input = saved[0];
    const at::Tensor dout = as_rows(grad_outputs[0]);
    at::Tensor dinput;
    if (context->needs_input_grad(0)) {
      dinput = with_last_size(cuda::matmul(dout, saved[1]), input);
    }
    ParameterGradient dweight(saved[2], mode);
    dweight.add_product(dout.t(), as_rows(input));
    ParameterGradient dbias(saved[3], mode);
    if (saved[3].defined()) {
      at::Tensor sums = dbias.buffer();
      at::sum_out(sums, sum_of_batch(grad_outputs[0]), {0}, /*keepdim=*/false, at::kFloat);
    }
    return {dinput, dweight.finish(), dbias.finish(), at::Tensor()};
  }
};

}  // namespace

at::Tensor weight_in(const at::Tensor& weight, const at::Tensor& shadow, at::ScalarType dtype) {
  if (weight.scalar_type() == dtype) {
    return weight;
  }
  return shadow.defined() && shadow.scalar_type() == dtype ? shadow : weight.detach().to(dtype);
}

void check_weight(std::string_view op, const Weight& weight, int64_t in_features) {
  TORCH_CHECK(
      weight.value.dim() == 2 && weight.value.size(1) == in_features,
      op,
      ": the weight must be (out_features, in_features) with in_features = ",
      in_features,
      ", got ",
      weight.value.sizes());
  TORCH_CHECK(
      !weight.shadow.defined() || weight.shadow.sizes() == weight.value.sizes(),
      op,
      ": shadow must be ",
      weight.value.sizes(),
      ", got ",
      weight.shadow.sizes());
}

at::Tensor linear(const at::Tensor& input, const Weight& weight, const at::Tensor& bias) {
  TORCH_CHECK(
      weight.value.dim() == 2 && input.dim() >= 1 && input.size(-1) == weight.value.size(1),
      "linear: input must be (..., in_features) for a weight (out_features, in_features), got ",
      input.sizes(),
      " and ",
      weight.value.sizes());
  check_weight("linear", weight, input.size(-1));
  TORCH_CHECK(
      !bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.value.size(0)),
      "linear: bias must be (out_features) = [",
      weight.value.size(0),
      "], got ",
      bias.sizes());
  return LinearFunction::apply(input, weight.value, to_optional(bias), weight);
}

}  // namespace vim::ops
