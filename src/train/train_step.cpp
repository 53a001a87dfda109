// The loss of a micro-batch is weighted by its share of the global batch, so gradients just add up.
#include "src/train/train_step.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/core/error.h"
#include "src/core/philox.h"
#include "src/models/step_draws.h"
#include "src/optim/adamw.h"
#include "src/optim/clip.h"
#include "src/optim/ema.h"
#include "src/train/batch_input.h"
#include "src/train/losses.h"
#include "src/train/mix.h"

namespace vim::train {
namespace {

// One draw per group, keyed by the group's place in the global batch.
std::vector<GroupMix> draw_mixes(
    const TrainStepOptions& options,
    const models::DrawKey& key,
    const ImageSize& size,
    int64_t group_size,
    int64_t num_groups) {
  std::vector<GroupMix> groups;
  for (int64_t group = 0; group < num_groups; ++group) {
    const int64_t place = key.first_position / group_size + group;
    core::Random random(
        {key.seed, core::RandomStream::kMix, key.step, static_cast<uint32_t>(place), 0});
    groups.push_back(draw_group_mix(options.augment, size, random));
  }
  return groups;
}

}  // namespace

TrainStep::TrainStep(models::VisionMamba model, TrainStepOptions options)
    : options_(std::move(options)),
      model_(std::move(model)),
      store_(*model_, options_.optim),
      mix_group_(mix_group_size(options_.augment, options_.train.global_batch)) {
  if (model_->options().pool == models::Pool::kAll) {
    throw Error("model.pool: all gives logits for every token; choose last, mean or max to train");
  }
  if (options_.ema.enabled) {
    store_.enable_ema();
  }
  if (options_.train.precision == Precision::kBFloat16) {
    store_.enable_shadow(compute_dtype(options_.train.precision));
    model_->set_compute_dtype(compute_dtype(options_.train.precision));
    model_->install_shadows(
        [this](const at::Tensor& parameter) { return store_.shadow_of(parameter); });
  }
  model_->train();
}

void TrainStep::begin(int64_t step) {
  step_ = step;
  loss_ = 0.0;
  store_.zero_grad();
}

at::Tensor TrainStep::compute_loss(const data::LoadedBatch& batch, int64_t first_position) {
  const models::VisionMambaOptions& shape = model_->options();
  const models::DrawKey key{options_.train.seed, static_cast<uint64_t>(step_), first_position};
  const models::StepDraws draws = draw_step(shape, key, batch.size, /*is_training=*/true);
  const InputOptions input{shape.img_size, options_.augment, options_.train.precision};
  if (!is_mixing(options_.augment)) {
    const at::Tensor logits = model_->forward(input_images(batch, {}, input), draws);
    return label_smoothing_cross_entropy(
        logits, label_tensor(batch), options_.augment.label_smoothing);
  }
  TORCH_CHECK(
      batch.size % mix_group_ == 0 && first_position % mix_group_ == 0,
      "TrainStep: a micro-batch must hold whole mixing groups of ",
      mix_group_,
      ", got ",
      batch.size,
      " images from position ",
      first_position);
  const std::vector<GroupMix> groups = draw_mixes(
      options_, key, {shape.img_size[0], shape.img_size[1]}, mix_group_, batch.size / mix_group_);
  const at::Tensor images = input_images(batch, mix_samples(groups, mix_group_), input);
  const at::Tensor targets =
      mixed_targets(batch.labels, groups, {shape.num_classes, options_.augment.label_smoothing});
  return soft_target_cross_entropy(model_->forward(images, draws), targets);
}

void TrainStep::forward_backward(const data::LoadedBatch& batch) {
  if (!std::isfinite(loss_)) {
    return;  // the step will be skipped
  }
  const int64_t global_batch = options_.train.global_batch;
  const double share = static_cast<double>(batch.size) / static_cast<double>(global_batch);
  const at::Tensor loss = compute_loss(batch, batch.first_position % global_batch) * share;
  loss_ += loss.item<double>();
  if (std::isfinite(loss_)) {
    loss.backward();
  }
}

StepResult TrainStep::update(double lr) {
  StepResult result{loss_, 0.0, {}};
  if (!std::isfinite(loss_)) {
    result.non_finite = "loss";
    return result;
  }
  const at::Tensor norm = optim::gradient_norm(store_);
  result.grad_norm = norm.item<double>();
  if (!std::isfinite(result.grad_norm)) {
    const std::string name = store_.find_non_finite_gradient();
    result.non_finite = name.empty() ? "gradient norm" : "gradient of " + name;
    return result;
  }
  const optim::UpdateControl control = optim::control_update(norm, options_.optim.clip_norm);
  optim::adamw_step(store_, options_.optim, lr, control);
  if (options_.ema.enabled) {
    optim::update_ema(store_, options_.ema.decay, control.found_inf);
  }
  return result;
}

}  // namespace vim::train
