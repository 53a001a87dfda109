// All groups share the step count, which is advanced once, before them.
#include "src/optim/adamw.h"

#include <ATen/ATen.h>

#include "src/cuda/profile_range.h"
#include "src/ops/adamw.h"
#include "src/optim/ema.h"

namespace vim::optim {
namespace {

std::optional<at::Tensor> as_optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

at::Tensor group_range(
    const ParameterStore& store, const ParameterGroup& group, StoreBuffer buffer) {
  return store.flat(buffer).narrow(0, group.offset, group.length);
}

void count_step(const at::Tensor& step_count, const at::Tensor& found_inf) {
  if (found_inf.defined()) {
    step_count.add_(1 - found_inf);
  } else {
    step_count.add_(1);
  }
}

// LibTorch's update of one group. On a GPU it forms 1 - beta2 in float, 1e-5 off; hence ours.
void update_on_cpu(
    const ParameterStore& store,
    const ParameterGroup& group,
    const AdamWOptions& options,
    const LearningRate& lr,
    const UpdateControl& control) {
  const auto range = [&](StoreBuffer buffer) {
    return std::vector<at::Tensor>{group_range(store, group, buffer)};
  };
  const auto update = [&](const auto& rate) {
    at::_fused_adamw_(
        range(StoreBuffer::kValue),
        range(StoreBuffer::kGrad),
        range(StoreBuffer::kExpAvg),
        range(StoreBuffer::kExpAvgSq),
        /*max_exp_avg_sqs=*/{},
        /*state_steps=*/{store.step_count()},
        rate * group.rule.lr_scale,
        options.betas[0],
        options.betas[1],
        group.rule.weight_decay,
        options.eps,
        /*amsgrad=*/false,
        /*maximize=*/false,
        as_optional(control.grad_scale),
        as_optional(control.found_inf));
  };
  std::visit(update, lr);
}

// The learning rate as a scalar on the device.
at::Tensor rate_tensor(const LearningRate& lr, const at::Tensor& like) {
  if (const auto* tensor = std::get_if<at::Tensor>(&lr)) {
    return *tensor;
  }
  return at::full({}, std::get<double>(lr), like.options());
}

// Our kernel's update of one group, with average and shadow.
void update_on_device(
    const ParameterStore& store,
    const ParameterGroup& group,
    const AdamWOptions& options,
    const at::Tensor& rate,
    const UpdateControl& control) {
  const auto range = [&](StoreBuffer buffer, bool is_wanted) {
    return is_wanted ? group_range(store, group, buffer) : at::Tensor();
  };
  ops::AdamWTensors tensors;
  tensors.value = range(StoreBuffer::kValue, true);
  tensors.grad = range(StoreBuffer::kGrad, true);
  tensors.exp_avg = range(StoreBuffer::kExpAvg, true);
  tensors.exp_avg_sq = range(StoreBuffer::kExpAvgSq, true);
  tensors.ema = range(StoreBuffer::kEma, control.ema_decay.has_value());
  tensors.shadow = range(StoreBuffer::kShadow, store.has(StoreBuffer::kShadow));
  tensors.lr = rate;
  tensors.step = store.step_count();
  tensors.grad_scale = control.grad_scale;
  tensors.found_inf = control.found_inf;
  ops::adamw(
      tensors,
      {options.betas,
       options.eps,
       group.rule.weight_decay,
       group.rule.lr_scale,
       control.ema_decay.value_or(0.0)});
}

}  // namespace

void adamw_step(
    ParameterStore& store,
    const AdamWOptions& options,
    const LearningRate& lr,
    const UpdateControl& control) {
  const at::NoGradGuard no_grad;
  store.check_views();
  std::optional<cuda::ProfileRange> range("optimizer");
  count_step(store.step_count(), control.found_inf);
  if (ops::has_device_adamw(store.step_count())) {
    const at::Tensor rate = rate_tensor(lr, store.step_count());
    for (const ParameterGroup& group : store.groups()) {
      if (!group.rule.is_frozen) {
        update_on_device(store, group, options, rate, control);
      }
    }
    return;
  }
  for (const ParameterGroup& group : store.groups()) {
    if (!group.rule.is_frozen) {
      update_on_cpu(store, group, options, lr, control);
    }
  }
  store.refresh_shadow();
  if (control.ema_decay) {
    range.emplace("ema");
    update_ema(store, *control.ema_decay, control.found_inf);
  }
}

}  // namespace vim::optim
