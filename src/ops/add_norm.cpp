// Checks, launches and autograd of the fused add and norm.
#include "src/ops/add_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "src/ops/kernel_args.h"
#include "src/ops/optional_tensors.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct AddNormInputs {
  at::Tensor x;
  at::Tensor residual;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor sample_mask;
};

void check_add_norm(const AddNormInputs& inputs) {
  const at::Tensor& x = inputs.x;
  TORCH_CHECK(x.dim() == 3, "add_norm: x must be (batch, seqlen, dim), got ", x.sizes());
  check_tokens("add_norm: x", x, x.sizes(), x.scalar_type());
  TORCH_CHECK(x.is_contiguous(), "add_norm: x must be contiguous, got strides ", x.strides());
  TORCH_CHECK(x.numel() > 0, "add_norm: x must not be empty, got ", x.sizes());
  if (inputs.residual.defined()) {
    check_float("add_norm: residual", inputs.residual, x.sizes());
  }
  check_float("add_norm: weight", inputs.weight, {x.size(2)});
  if (inputs.bias.defined()) {
    check_float("add_norm: bias", inputs.bias, {x.size(2)});
  }
  if (inputs.sample_mask.defined()) {
    check_float("add_norm: sample_mask", inputs.sample_mask, {x.size(0)});
  }
}

kernels::AddNormParams make_params(const AddNormInputs& inputs, const AddNormOptions& options) {
  const at::Tensor& x = inputs.x;
  kernels::AddNormParams params;
  params.rows = x.size(0) * x.size(1);
  params.dim = x.size(2);
  params.rows_per_sample = x.size(1);
  params.eps = static_cast<float>(options.eps);
  params.kind = options.kind;
  params.x_dtype = kernel_dtype(x.scalar_type());
  params.out_dtype = kernel_dtype(options.out_dtype);
  params.x = x.const_data_ptr();
  params.residual = float_data(inputs.residual);
  params.weight = float_data(inputs.weight);
  params.bias = float_data(inputs.bias);
  params.sample_mask = float_data(inputs.sample_mask);
  params.keep = static_cast<float>(options.keep);
  return params;
}

// Whether v is x itself, bit for bit, so that no copy of it is needed.
bool residual_is_x(const AddNormInputs& inputs) {
  return !inputs.residual.defined() && !inputs.sample_mask.defined() &&
         inputs.x.scalar_type() == at::kFloat;
}

// What the autograd node takes beside differentiable tensors.
struct NormSettings {
  AddNormOptions options;
  at::Tensor sample_mask;
};

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
    const AddNormOptions& options = settings.options;
    const AddNormInputs inputs{
        x, from_optional(residual), weight, from_optional(bias), settings.sample_mask};
    kernels::AddNormParams params = make_params(inputs, options);
    const at::Tensor out = at::empty(x.sizes(), x.options().dtype(options.out_dtype));
    const bool is_first = residual_is_x(inputs);
    const at::Tensor v = is_first ? x : at::empty(x.sizes(), x.options().dtype(at::kFloat));
    params.out = out.mutable_data_ptr();
    params.residual_out = is_first ? nullptr : float_data(v);
    parallel_rows(kernels::add_norm_num_rows(params), [&params](kernels::RowRange rows) {
      kernels::add_norm_forward(params, rows);
    });
    context->save_for_backward({v, weight, inputs.bias, inputs.sample_mask});
    context->saved_data["kind"] = static_cast<int64_t>(options.kind);
    context->saved_data["eps"] = options.eps;
    context->saved_data["keep"] = options.keep;
    context->saved_data["x_dtype"] = x.scalar_type();
    context->saved_data["has_residual"] = residual.has_value();
    context->set_materialize_grads(false);
    return is_first ? variable_list{out} : variable_list{out, v};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& v = saved[0];
    AddNormOptions options;
    options.kind = static_cast<kernels::NormKind>(context->saved_data["kind"].toInt());
    options.eps = context->saved_data["eps"].toDouble();
    options.keep = context->saved_data["keep"].toDouble();
    const auto x_dtype = context->saved_data["x_dtype"].toScalarType();
    const bool has_residual = context->saved_data["has_residual"].toBool();

    const at::Tensor dout = grad_outputs[0].defined() ? grad_outputs[0].contiguous()
                                                      : at::zeros(v.sizes(), v.options());
    const at::Tensor dv_out = grad_outputs.size() > 1 && grad_outputs[1].defined()
                                  ? grad_outputs[1].contiguous()
                                  : at::Tensor();
    options.out_dtype = dout.scalar_type();

    // With equal dtypes and no mask, the gradients of x and of the residual are the same numbers.
    const bool shares_dx = x_dtype == at::kFloat && !saved[3].defined();
    const at::Tensor dx = at::empty(v.sizes(), v.options().dtype(x_dtype));
    const at::Tensor dv = !has_residual ? at::Tensor()
                          : shares_dx   ? dx
                                        : at::empty(v.sizes(), v.options());
    const at::Tensor dweight = at::empty(saved[1].sizes(), saved[1].options());
    const at::Tensor dbias =
        saved[2].defined() ? at::empty(saved[2].sizes(), saved[2].options()) : at::Tensor();

    kernels::AddNormBackwardParams params;
    params.forward = make_params({v, {}, saved[1], saved[2], saved[3]}, options);
    params.forward.x_dtype = kernel_dtype(x_dtype);
    params.v = float_data(v);
    params.dout = dout.const_data_ptr();
    params.dresidual = float_data(dv_out);
    params.dx = dx.mutable_data_ptr();
    params.dv = shares_dx ? nullptr : float_data(dv);
    params.dweight = float_data(dweight);
    params.dbias = float_data(dbias);
    launch_backward(params);
    return {dx, dv, dweight, dbias, at::Tensor()};
  }

 private:
  static void launch_backward(kernels::AddNormBackwardParams& params) {
    const at::Tensor workspace = make_workspace(kernels::add_norm_backward_workspace_size(params));
    params.workspace = workspace.mutable_data_ptr();
    parallel_rows(kernels::add_norm_num_rows(params.forward), [&params](kernels::RowRange rows) {
      kernels::add_norm_backward(params, rows);
    });
    parallel_rows(
        kernels::add_norm_backward_reduce_num_rows(params),
        [&params](kernels::RowRange rows) { kernels::add_norm_backward_reduce(params, rows); });
  }
};

}  // namespace

AddNormResult add_norm(
    const at::Tensor& x,
    const at::Tensor& residual,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const at::Tensor& sample_mask,
    const AddNormOptions& options) {
  const AddNormInputs inputs{x, residual, weight, bias, sample_mask};
  check_add_norm(inputs);
  const auto results = AddNormFunction::apply(
      x, to_optional(residual), weight, to_optional(bias), NormSettings{options, sample_mask});
  return {results[0], results.size() > 1 ? results[1] : x};
}

}  // namespace vim::ops
