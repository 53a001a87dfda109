// Autograd of add+norm, alone and with the linear layer behind it.
#include "src/ops/add_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "src/cuda/matmul.h"
#include "src/ops/add_norm_launch.h"
#include "src/ops/kernel_args.h"
#include "src/ops/optional_tensors.h"
#include "src/ops/parameter_gradient.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What both nodes take beside differentiable tensors.
struct NormSettings {
  AddNormOptions options;
  at::Tensor sample_mask;
};

void keep_settings(
    AutogradContext* context, const AddNormInputs& inputs, const AddNormOptions& options) {
  context->saved_data["kind"] = static_cast<int64_t>(options.kind);
  context->saved_data["eps"] = options.eps;
  context->saved_data["keep"] = options.keep;
  context->saved_data["out_dtype"] = options.out_dtype;
  context->saved_data["gradient_mode"] = options.gradient_mode;
  context->saved_data["x_dtype"] = inputs.x.scalar_type();
  context->saved_data["has_residual"] = inputs.residual.defined();
  context->set_materialize_grads(false);
}

AddNormOptions kept_options(AutogradContext* context) {
  AddNormOptions options;
  options.kind = static_cast<kernels::NormKind>(context->saved_data["kind"].toInt());
  options.eps = context->saved_data["eps"].toDouble();
  options.keep = context->saved_data["keep"].toDouble();
  options.out_dtype = context->saved_data["out_dtype"].toScalarType();
  options.gradient_mode = context->saved_data["gradient_mode"].toTensor();
  return options;
}

// The first four saved tensors are v, weight, bias, sample_mask.
AddNormSaved kept_inputs(AutogradContext* context, const variable_list& saved) {
  return {
      saved[0],
      saved[1],
      saved[2],
      saved[3],
      context->saved_data["x_dtype"].toScalarType(),
      context->saved_data["has_residual"].toBool()};
}

at::Tensor gradient_of_v(const variable_list& grad_outputs) {
  return grad_outputs.size() > 1 && grad_outputs[1].defined() ? grad_outputs[1].contiguous()
                                                              : at::Tensor();
}

class AddNormFunction : public torch::autograd::Function<AddNormFunction> {
 public:
  // Returns {out, v}; without a copy of x to make, {out} alone.
  static variable_list forward(
      AutogradContext* context,
      const at::Tensor& x,
      const std::optional<at::Tensor>& residual,
      const at::Tensor& weight,
      const std::optional<at::Tensor>& bias,
      const NormSettings& settings) {
    const AddNormInputs inputs{
        x, from_optional(residual), weight, from_optional(bias), settings.sample_mask};
    const AddNormResult result = add_norm_forward(inputs, settings.options);
    context->save_for_backward({result.residual, weight, inputs.bias, inputs.sample_mask});
    keep_settings(context, inputs, settings.options);
    return residual_is_x(inputs) ? variable_list{result.out}
                                 : variable_list{result.out, result.residual};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& v = saved[0];
    const at::Tensor dout = grad_outputs[0].defined() ? grad_outputs[0].contiguous()
                                                      : at::zeros(v.sizes(), v.options());
    const AddNormGrads grads = add_norm_backward(
        kept_inputs(context, saved), dout, gradient_of_v(grad_outputs), kept_options(context));
    return {grads.dx, grads.dresidual, grads.dweight, grads.dbias, at::Tensor()};
  }
};

class NormLinearFunction : public torch::autograd::Function<NormLinearFunction> {
 public:
  // defined: those of x, residual, norm weight, norm bias, linear weight that are, at these places.
  static variable_list forward(
      AutogradContext* context,
      at::TensorList defined,
      const std::vector<int64_t>& places,
      const Weight& parts,
      const NormSettings& settings) {
    const variable_list tensors = scatter(defined, places, kNumTensors);
    const AddNormInputs inputs{
        tensors[0], tensors[1], tensors[2], tensors[3], settings.sample_mask};
    const at::Tensor& x = inputs.x;
    const AddNormResult normed = add_norm_forward(inputs, settings.options);
    const at::Tensor used = weight_in(tensors[4], parts.shadow, settings.options.out_dtype);
    const at::Tensor out = cuda::matmul(normed.out.view({-1, x.size(2)}), used.t())
                               .view({x.size(0), x.size(1), used.size(0)});
    context->save_for_backward(
        {normed.residual,
         inputs.weight,
         inputs.bias,
         inputs.sample_mask,
         tensors[4],
         used,
         settings.options.keeps_norm ? normed.out : at::Tensor()});
    context->saved_data["places"] = places;
    keep_settings(context, inputs, settings.options);
    return residual_is_x(inputs) ? variable_list{out} : variable_list{out, normed.residual};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const AddNormSaved inputs = kept_inputs(context, saved);
    const AddNormOptions options = kept_options(context);
    const at::Tensor& v = inputs.v;
    const int64_t out_features = saved[4].size(0);
    const at::Tensor dout =
        grad_outputs[0].defined()
            ? grad_outputs[0].reshape({-1, out_features})
            : at::zeros({v.size(0) * v.size(1), out_features}, saved[5].options());
    ParameterGradient dweight(saved[4], options.gradient_mode);
    {
      const at::Tensor normed =
          saved[6].defined() ? saved[6] : norm_of(v, inputs.weight, inputs.bias, options);
      dweight.add_product(dout.t(), normed.view({-1, v.size(2)}));
    }
    const at::Tensor dnormed = cuda::matmul(dout, saved[5]).view(v.sizes());
    const AddNormGrads grads =
        add_norm_backward(inputs, dnormed, gradient_of_v(grad_outputs), options);
    const variable_list all = {
        grads.dx, grads.dresidual, grads.dweight, grads.dbias, dweight.finish()};
    variable_list result = gather(all, context->saved_data["places"].toIntVector());
    result.resize(result.size() + 3);  // nothing for places, weight parts and settings
    return result;
  }

 private:
  static constexpr size_t kNumTensors = 5;
};

}  // namespace

AddNormResult add_norm(const AddNormInputs& inputs, const AddNormOptions& options) {
  check_add_norm("add_norm", inputs);
  const auto results = AddNormFunction::apply(
      inputs.x,
      to_optional(inputs.residual),
      inputs.weight,
      to_optional(inputs.bias),
      NormSettings{options, inputs.sample_mask});
  return {results[0], results.size() > 1 ? results[1] : inputs.x};
}

AddNormResult norm_linear(
    const AddNormInputs& inputs, const Weight& weight, const AddNormOptions& options) {
  check_add_norm("norm_linear", inputs);
  check_weight("norm_linear", weight, inputs.x.size(2));
  check_one_device("norm_linear", {inputs.x, weight.value});
  const std::vector<at::Tensor> tensors = {
      inputs.x, inputs.residual, inputs.weight, inputs.bias, weight.value};
  const std::vector<int64_t> places = defined_places(tensors);
  const std::vector<at::Tensor> defined = gather(tensors, places);
  const auto results = NormLinearFunction::apply(
      at::TensorList(defined), places, weight, NormSettings{options, inputs.sample_mask});
  return {results[0], results.size() > 1 ? results[1] : inputs.x};
}

}  // namespace vim::ops
