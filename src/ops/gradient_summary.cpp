// Checks and launch of the gradient summary.
#include "src/ops/gradient_summary.h"

#include <ATen/ATen.h>

#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"

namespace vim::ops {

GradientSummary gradient_summary(const GradientSummaryInputs& inputs) {
  const at::Tensor& gradients = inputs.gradients;
  TORCH_CHECK(
      gradients.defined() && gradients.dim() == 1 && gradients.numel() > 0,
      "gradient_summary: gradients must be one-dimensional and not empty");
  check_float("gradient_summary: gradients", gradients, gradients.sizes());
  TORCH_CHECK(
      inputs.loss.defined() && inputs.loss.numel() == 1 && inputs.loss.scalar_type() == at::kDouble,
      "gradient_summary: loss must be a double scalar");
  check_one_device("gradient_summary", {gradients, inputs.loss, inputs.loss_scale});
  GradientSummary summary;
  summary.values =
      at::empty({kernels::kNumGradientSummaryValues}, gradients.options().dtype(at::kDouble));
  summary.found_inf = at::empty({}, gradients.options());
  summary.grad_scale = at::empty({}, gradients.options());
  kernels::GradientSummaryParams params;
  params.size = gradients.numel();
  params.max_norm = inputs.max_norm.value_or(0.0);
  params.gradients = float_data(gradients);
  params.loss_scale = float_data(inputs.loss_scale);
  params.loss = inputs.loss.const_data_ptr<double>();
  params.values = summary.values.mutable_data_ptr<double>();
  params.found_inf = float_data(summary.found_inf);
  params.grad_scale = float_data(summary.grad_scale);
  const DeviceCall call(gradients);
  if (!call.is_on_device()) {
    kernels::gradient_summary(params);
    return summary;
  }
  const at::Tensor workspace = make_workspace(
      call.entry(&kernels::DeviceEntries::gradient_summary_workspace_size)(params), gradients);
  params.workspace = workspace.mutable_data_ptr();
  call.entry (&kernels::DeviceEntries::gradient_summary)(params, call.stream());
  return summary;
}

}  // namespace vim::ops
