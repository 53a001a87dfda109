// Checks and launches of add+norm.
#include "src/ops/add_norm_launch.h"

#include <ATen/ATen.h>

#include "src/ops/aside.h"
#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"
#include "src/ops/parameter_gradient.h"
#include "src/ops/run_kernel.h"

namespace vim::ops {
namespace {

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

void launch_forward(const at::Tensor& x, const kernels::AddNormParams& params) {
  run_kernel(
      x,
      &kernels::DeviceEntries::add_norm_forward,
      kernels::add_norm_forward,
      kernels::add_norm_num_rows(params),
      params);
}

void launch_backward(
    const at::Tensor& v, kernels::AddNormBackwardParams& params, bool sums_may_wait) {
  const DeviceCall call(v);
  if (call.is_on_device()) {
    const at::Tensor workspace = make_workspace(
        call.entry(&kernels::DeviceEntries::add_norm_backward_workspace_size)(params), v);
    params.workspace = workspace.mutable_data_ptr();
    call.entry (&kernels::DeviceEntries::add_norm_backward)(params, call.stream());
    run_reduce(
        sums_may_wait, {workspace}, &kernels::DeviceEntries::add_norm_backward_reduce, params);
    return;
  }
  const at::Tensor workspace = make_workspace(kernels::add_norm_backward_workspace_size(params), v);
  params.workspace = workspace.mutable_data_ptr();
  parallel_rows(kernels::add_norm_num_rows(params.forward), [&params](kernels::RowRange rows) {
    kernels::add_norm_backward(params, rows);
  });
  parallel_rows(
      kernels::add_norm_backward_reduce_num_rows(params),
      [&params](kernels::RowRange rows) { kernels::add_norm_backward_reduce(params, rows); });
}

}  // namespace

void check_add_norm(const char* op, const AddNormInputs& inputs) {
  const std::string name = op;
  const at::Tensor& x = inputs.x;
  TORCH_CHECK(x.dim() == 3, name, ": x must be (batch, seqlen, dim), got ", x.sizes());
  check_tokens(name + ": x", x, x.sizes(), x.scalar_type());
  TORCH_CHECK(x.is_contiguous(), name, ": x must be contiguous, got strides ", x.strides());
  TORCH_CHECK(x.numel() > 0, name, ": x must not be empty, got ", x.sizes());
  if (inputs.residual.defined()) {
    check_float(name + ": residual", inputs.residual, x.sizes());
  }
  check_float(name + ": weight", inputs.weight, {x.size(2)});
  if (inputs.bias.defined()) {
    check_float(name + ": bias", inputs.bias, {x.size(2)});
  }
  if (inputs.sample_mask.defined()) {
    check_float(name + ": sample_mask", inputs.sample_mask, {x.size(0)});
  }
  check_one_device(name, {x, inputs.residual, inputs.weight, inputs.bias, inputs.sample_mask});
}

bool residual_is_x(const AddNormInputs& inputs) {
  return !inputs.residual.defined() && !inputs.sample_mask.defined() &&
         inputs.x.scalar_type() == at::kFloat;
}

AddNormResult add_norm_forward(const AddNormInputs& inputs, const AddNormOptions& options) {
  const at::Tensor& x = inputs.x;
  kernels::AddNormParams params = make_params(inputs, options);
  const at::Tensor out = at::empty(x.sizes(), x.options().dtype(options.out_dtype));
  const bool is_first = residual_is_x(inputs);
  const at::Tensor v = is_first ? x : at::empty(x.sizes(), x.options().dtype(at::kFloat));
  params.out = out.mutable_data_ptr();
  params.residual_out = is_first ? nullptr : float_data(v);
  launch_forward(x, params);
  return {out, v};
}

at::Tensor norm_of(
    const at::Tensor& v,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const AddNormOptions& options) {
  AddNormOptions plain = options;
  plain.keep = 1.0;  // v is past drop-path
  return add_norm_forward({v, {}, weight, bias, {}}, plain).out;
}

AddNormGrads add_norm_backward(
    const AddNormSaved& saved,
    const at::Tensor& dout,
    const at::Tensor& dv_out,
    const AddNormOptions& options) {
  const at::Tensor& v = saved.v;
  // With equal dtypes and no mask, the gradients of x and of the residual are the same numbers.
  const bool shares_dx = saved.x_dtype == at::kFloat && !saved.sample_mask.defined();
  AddNormGrads grads;
  grads.dx = at::empty(v.sizes(), v.options().dtype(saved.x_dtype));
  if (saved.has_residual) {
    grads.dresidual = shares_dx ? grads.dx : at::empty(v.sizes(), v.options());
  }
  ParameterGradient dweight(saved.weight, options.gradient_mode);
  ParameterGradient dbias(saved.bias, options.gradient_mode);

  kernels::AddNormBackwardParams params;
  params.forward = make_params({v, {}, saved.weight, saved.bias, saved.sample_mask}, options);
  params.forward.x_dtype = kernel_dtype(saved.x_dtype);
  params.forward.out_dtype = kernel_dtype(dout.scalar_type());
  params.v = float_data(v);
  params.dout = dout.const_data_ptr();
  params.dresidual = float_data(dv_out);
  params.dx = grads.dx.mutable_data_ptr();
  params.dv = shares_dx ? nullptr : float_data(grads.dresidual);
  params.dweight = float_data(dweight.buffer());
  params.dbias = float_data(dbias.buffer());
  launch_backward(v, params, dweight.may_wait() && dbias.may_wait());
  grads.dweight = dweight.finish();
  grads.dbias = dbias.finish();
  return grads;
}

}  // namespace vim::ops
