// The two groups share the step count, which is advanced once, before both.
#include "src/optim/adamw.h"

#include <ATen/ATen.h>

namespace vim::optim {
namespace {

std::optional<at::Tensor> as_optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

void count_step(const at::Tensor& step_count, const at::Tensor& found_inf) {
  if (found_inf.defined()) {
    step_count.add_(1 - found_inf);
  } else {
    step_count.add_(1);
  }
}

}  // namespace

void adamw_step(
    ParameterStore& store, const AdamWOptions& options, double lr, const UpdateControl& control) {
  const at::NoGradGuard no_grad;
  store.check_views();
  count_step(store.step_count(), control.found_inf);
  for (const ParameterGroup& group : store.groups()) {
    const auto range = [&](StoreBuffer buffer) {
      return std::vector<at::Tensor>{store.flat(buffer).narrow(0, group.offset, group.length)};
    };
    at::_fused_adamw_(
        range(StoreBuffer::kValue),
        range(StoreBuffer::kGrad),
        range(StoreBuffer::kExpAvg),
        range(StoreBuffer::kExpAvgSq),
        /*max_exp_avg_sqs=*/{},
        /*state_steps=*/{store.step_count()},
        lr,
        options.betas[0],
        options.betas[1],
        group.weight_decay,
        options.eps,
        /*amsgrad=*/false,
        /*maximize=*/false,
        as_optional(control.grad_scale),
        as_optional(control.found_inf));
  }
  store.refresh_shadow();
}

}  // namespace vim::optim
