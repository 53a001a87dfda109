// Checks and launch of AdamW.
#include "src/ops/adamw.h"

#include <ATen/ATen.h>

#include "kernels/adamw.h"
#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"
#include "src/ops/run_kernel.h"

namespace vim::ops {
namespace {

void check_scalar(const char* what, const at::Tensor& scalar) {
  TORCH_CHECK(
      scalar.scalar_type() == at::kFloat && scalar.numel() == 1,
      what,
      " must be a float scalar, got ",
      scalar.scalar_type(),
      " ",
      scalar.sizes());
}

void check_adamw(const AdamWTensors& tensors) {
  TORCH_CHECK(
      tensors.value.defined() && tensors.value.dim() == 1 && tensors.value.numel() > 0,
      "adamw: value must be one-dimensional and not empty");
  const at::IntArrayRef shape = tensors.value.sizes();
  check_float("adamw: value", tensors.value, shape);
  check_float("adamw: grad", tensors.grad, shape);
  check_float("adamw: exp_avg", tensors.exp_avg, shape);
  check_float("adamw: exp_avg_sq", tensors.exp_avg_sq, shape);
  if (tensors.ema.defined()) {
    check_float("adamw: ema", tensors.ema, shape);
  }
  if (tensors.shadow.defined()) {
    const bool is_half = tensors.shadow.scalar_type() == at::kHalf;
    check_tokens("adamw: shadow", tensors.shadow, shape, is_half ? at::kHalf : at::kBFloat16);
  }
  TORCH_CHECK(tensors.lr.defined() && tensors.step.defined(), "adamw: lr and step must be given");
  check_scalar("adamw: lr", tensors.lr);
  check_scalar("adamw: step", tensors.step);
  if (tensors.grad_scale.defined()) {
    check_scalar("adamw: grad_scale", tensors.grad_scale);
  }
  if (tensors.found_inf.defined()) {
    check_scalar("adamw: found_inf", tensors.found_inf);
  }
  check_one_device(
      "adamw",
      {tensors.value,
       tensors.grad,
       tensors.exp_avg,
       tensors.exp_avg_sq,
       tensors.ema,
       tensors.shadow,
       tensors.lr,
       tensors.step,
       tensors.grad_scale,
       tensors.found_inf});
}

kernels::AdamWParams make_params(const AdamWTensors& tensors, const AdamWFactorOptions& factors) {
  kernels::AdamWParams params;
  params.size = tensors.value.numel();
  params.beta1 = factors.betas[0];
  params.beta2 = factors.betas[1];
  params.eps = factors.eps;
  params.weight_decay = factors.weight_decay;
  params.lr_scale = factors.lr_scale;
  params.ema_decay = factors.ema_decay;
  params.grad = float_data(tensors.grad);
  params.value = float_data(tensors.value);
  params.exp_avg = float_data(tensors.exp_avg);
  params.exp_avg_sq = float_data(tensors.exp_avg_sq);
  params.ema = float_data(tensors.ema);
  if (tensors.shadow.defined()) {
    params.shadow_dtype = kernel_dtype(tensors.shadow.scalar_type());
    params.shadow = tensors.shadow.mutable_data_ptr();
  }
  params.lr = float_data(tensors.lr);
  params.step = float_data(tensors.step);
  params.grad_scale = float_data(tensors.grad_scale);
  params.found_inf = float_data(tensors.found_inf);
  return params;
}

}  // namespace

bool has_device_adamw(const at::Tensor& tensor) { return DeviceCall(tensor).is_on_device(); }

void adamw(const AdamWTensors& tensors, const AdamWFactorOptions& factors) {
  check_adamw(tensors);
  const kernels::AdamWParams params = make_params(tensors, factors);
  run_kernel(
      tensors.value,
      &kernels::DeviceEntries::adamw,
      kernels::adamw,
      kernels::adamw_num_rows(params),
      params);
}

}  // namespace vim::ops
