// Checks, launches and autograd of the cross-entropy.
#include "src/ops/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cross_entropy.h"
#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"
#include "src/ops/run_kernel.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check_cross_entropy(const at::Tensor& logits, const CrossEntropyTargets& targets) {
  TORCH_CHECK(
      logits.dim() == 2 && logits.numel() > 0,
      "cross_entropy: logits must be (batch, num_classes) and not empty, got ",
      logits.sizes());
  check_float("cross_entropy: logits", logits, logits.sizes());
  TORCH_CHECK(
      targets.targets.defined() != targets.labels.defined(),
      "cross_entropy: expected targets or labels, and not both");
  if (targets.targets.defined()) {
    check_float("cross_entropy: targets", targets.targets, logits.sizes());
  } else {
    TORCH_CHECK(
        targets.labels.sizes() == at::IntArrayRef({logits.size(0)}) &&
            targets.labels.scalar_type() == at::kLong && targets.labels.is_contiguous(),
        "cross_entropy: labels must be (batch) = [",
        logits.size(0),
        "], int64, got ",
        targets.labels.sizes());
  }
  check_one_device("cross_entropy", {logits, targets.targets, targets.labels});
}

void launch(const at::Tensor& logits, const kernels::CrossEntropyParams& params) {
  run_kernel(
      logits,
      &kernels::DeviceEntries::cross_entropy,
      kernels::cross_entropy,
      kernels::cross_entropy_num_rows(params),
      params);
}

at::Tensor mean_of(const at::Tensor& losses) {
  const at::Tensor mean = at::empty({}, losses.options());
  kernels::LossSumParams params;
  params.rows = losses.size(0);
  params.scale = 1.0F / static_cast<float>(losses.size(0));
  params.loss = float_data(losses);
  params.total = float_data(mean);
  const DeviceCall call(losses);
  if (call.is_on_device()) {
    call.entry (&kernels::DeviceEntries::loss_sum)(params, call.stream());
  } else {
    kernels::loss_sum(params);
  }
  return mean;
}

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(
      AutogradContext* context, const at::Tensor& logits, const CrossEntropyTargets& targets) {
    const at::Tensor losses = at::empty({logits.size(0)}, logits.options());
    const at::Tensor dlogits = at::empty(logits.sizes(), logits.options());
    kernels::CrossEntropyParams params;
    params.rows = logits.size(0);
    params.num_classes = logits.size(1);
    params.smoothing = static_cast<float>(targets.smoothing);
    params.grad_scale = 1.0F / static_cast<float>(logits.size(0));
    params.logits = float_data(logits);
    params.targets = float_data(targets.targets);
    if (targets.labels.defined()) {
      params.labels = targets.labels.const_data_ptr<int64_t>();
    }
    params.loss = float_data(losses);
    params.dlogits = float_data(dlogits);
    launch(logits, params);
    context->save_for_backward({dlogits});
    return mean_of(losses);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    return {context->get_saved_variables()[0] * grad_outputs[0], at::Tensor()};
  }
};

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const CrossEntropyTargets& targets) {
  check_cross_entropy(logits, targets);
  return CrossEntropyFunction::apply(logits, targets);
}

}  // namespace vim::ops
