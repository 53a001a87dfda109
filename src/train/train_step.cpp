// The step as one reads it. The loss of a micro-batch is weighted by its share of the global batch,
// so gradients just add up. What is special to a GPU is in train_step_device.cpp.
#include "src/train/train_step.h"

#include <ATen/ATen.h>

#include <cmath>
#include <optional>

#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/cuda/profile_range.h"
#include "src/data/erase.h"
#include "src/models/step_draws.h"
#include "src/ops/aside.h"
#include "src/ops/parameter_gradient.h"
#include "src/optim/clip.h"
#include "src/train/losses.h"
#include "src/train/mix.h"

namespace vim::train {
namespace {

// Products for weight gradients that may wait with their inputs (ops::AsideScope): those of a layer
// and a third where memory is not to be saved, else of half a layer.
size_t most_aside(models::Recompute recompute) {
  return recompute == models::Recompute::kNone ? 8 : 3;
}

}  // namespace

TrainStep::TrainStep(models::VisionMamba model, TrainStepOptions options)
    : options_(std::move(options)),
      model_(std::move(model)),
      criterion_(options_.loss, options_.augment.label_smoothing, options_.teacher),
      store_(*model_, options_.optim),
      mix_group_(data::mix_group_size(options_.augment, options_.train.global_batch)),
      device_(store_.flat(optim::StoreBuffer::kValue).device()),
      is_deferred_(device_.is_cuda() || options_.is_deferred),
      gradient_mode_(ops::make_gradient_mode(ops::GradientMode::kReturn)) {
  if (model_->options().pool == models::Pool::kAll) {
    throw Error("model.pool: all gives logits for every token; choose last, mean or max to train");
  }
  if (options_.ema.enabled) {
    store_.enable_ema();
  }
  const at::ScalarType dtype = compute_dtype(options_.train.precision);
  if (dtype != at::kFloat) {
    store_.enable_shadow(dtype);
    model_->set_compute_dtype(dtype);
    model_->install_shadows(
        [this](const at::Tensor& parameter) { return store_.shadow_of(parameter); });
  }
  if (dtype == at::kHalf) {
    constexpr double kInitialScale = 65536.0;
    store_.enable_loss_scale(kInitialScale);
  }
  model_->install_gradient_mode(gradient_mode_);
  model_->set_recompute(options_.train.recompute);
  model_->train();
  if (device_.is_cuda()) {
    cuda::allow_tf32(options_.train.tf32);
  }
  if (is_deferred_) {
    make_graph();
  }
}

void TrainStep::begin(int64_t step) {
  step_ = step;
  num_passes_ = 0;
  loss_ = 0.0;
  if (!is_deferred_) {
    store_.zero_grad();
  }
}

// With cosub every image goes through the model twice, with draws of its own each time.
models::StepDraws TrainStep::make_draws(const models::DrawKey& key, int64_t batch) const {
  models::StepDraws draws = models::draw_step(model_->options(), key, batch, /*is_training=*/true);
  if (!options_.loss.cosub) {
    return draws;
  }
  models::DrawKey again = key;
  again.first_position += options_.train.global_batch;
  const models::StepDraws second =
      models::draw_step(model_->options(), again, batch, /*is_training=*/true);
  if (draws.drop_path_masks.defined()) {
    draws.drop_path_masks = at::cat({draws.drop_path_masks, second.drop_path_masks}, 1);
  }
  if (draws.dropout_mask.defined()) {
    draws.dropout_mask = at::cat({draws.dropout_mask, second.dropout_mask});
  }
  return draws;
}

PassInputs TrainStep::make_inputs(const data::LoadedBatch& batch) const {
  const int64_t first_position = batch.first_position % options_.train.global_batch;
  const models::VisionMambaOptions& shape = model_->options();
  const models::DrawKey key{options_.train.seed, static_cast<uint64_t>(step_), first_position};
  PassInputs inputs;
  inputs.images = image_bytes(batch, shape.img_size);
  inputs.draws = make_draws(key, batch.size);
  const data::StepImages drawn{key.seed, key.step, first_position, batch.size};
  inputs.tables.boxes =
      ops::box_table(data::draw_erasing(options_.augment, shape.img_size, drawn), batch.size);
  // A binary loss asks which classes take part, whatever their weight (vim_spec Q33).
  const bool is_binary = options_.loss.kind == LossKind::kBinary;
  const TargetOptions targets{
      shape.num_classes, is_binary ? 0.0 : options_.augment.label_smoothing};
  if (!data::is_mixing(options_.augment)) {
    if (criterion_.needs_targets()) {
      inputs.targets = unmixed_targets(batch.labels, targets);
    } else {
      inputs.labels = label_tensor(batch);
    }
    return inputs;
  }
  TORCH_CHECK(
      batch.size % mix_group_ == 0 && first_position % mix_group_ == 0,
      "TrainStep: a micro-batch must hold whole mixing groups of ",
      mix_group_,
      ", got ",
      batch.size,
      " images from position ",
      first_position);
  const std::vector<data::GroupMix> groups =
      data::draw_mixes(options_.augment, {shape.img_size[0], shape.img_size[1]}, mix_group_, drawn);
  inputs.tables.mix = ops::mix_table(data::mix_samples(groups));
  inputs.targets = mixed_targets(batch.labels, groups, targets);
  if (is_binary) {
    inputs.targets = binarise(inputs.targets, 0.0);
  }
  return inputs;
}

// The pass's share of the global batch's mean loss.
at::Tensor TrainStep::compute_loss(const PassInputs& inputs) {
  InputOptions input =
      input_options(model_->options(), options_.augment, options_.train.precision, device_);
  if (!criterion_.shares_patches(model_->options())) {
    input.patch_size = 0;  // whole images serve both
  }
  std::optional<cuda::ProfileRange> range("forward");
  const at::Tensor images = input_images(inputs.images, inputs.tables, input);
  const at::Tensor logits = model_->forward(criterion_.model_images(images), inputs.draws);
  range.emplace("loss");
  const at::Tensor loss = criterion_.loss(logits, inputs, images);
  const double share =
      static_cast<double>(inputs.images.size(0)) / static_cast<double>(options_.train.global_batch);
  return loss * share;
}

void TrainStep::backward(const at::Tensor& loss, bool is_first) {
  const cuda::ProfileRange range("backward");
  // The gradients are zero at first, and a pass uses each parameter once.
  ops::set_gradient_mode(
      gradient_mode_, is_first ? ops::GradientMode::kWrite : ops::GradientMode::kAdd);
  const at::Tensor& scale = store_.loss_scale();
  // Launched one by one, the host is what a step waits for: nothing is gained beside it.
  std::optional<ops::AsideScope> aside;
  if (graph_ && graph_->obstacle().empty()) {
    aside.emplace(device_, most_aside(options_.train.recompute));
  }
  (scale.defined() ? loss * scale : loss).backward();
  if (aside) {
    aside->join();
  }
}

void TrainStep::forward_backward(const data::LoadedBatch& batch) {
  const PassInputs inputs = make_inputs(batch);
  ++num_passes_;
  if (is_deferred_) {
    stage(inputs);
    return;
  }
  if (!std::isfinite(loss_)) {
    return;  // the step will be skipped
  }
  const at::Tensor loss = compute_loss(inputs);
  loss_ += loss.item<double>();
  if (std::isfinite(loss_)) {
    backward(loss, num_passes_ == 1);
  }
}

// The gradient norm without the loss scale.
at::Tensor TrainStep::scaled_norm() const {
  const at::Tensor norm = optim::gradient_norm(store_);
  return store_.loss_scale().defined() ? norm / store_.loss_scale() : norm;
}

std::optional<double> TrainStep::ema_decay() const {
  return options_.ema.enabled ? std::optional<double>(options_.ema.decay) : std::nullopt;
}

void TrainStep::update(double lr) {
  results_.push_back({step_, lr, loss_, 0.0, {}});
  if (is_deferred_) {
    TORCH_CHECK(
        num_passes_ == passes_.size(),
        "TrainStep: a run's steps have equally many micro-batches, got ",
        num_passes_,
        " after ",
        passes_.size());
    const at::Tensor rate = at::full({}, lr, at::TensorOptions().dtype(at::kFloat));
    lr_uploader_.upload({rate}, {lr_});
    const cuda::ProfileRange range("step");
    graph_->run();
    return;
  }
  StepResult& result = results_.back();
  if (!std::isfinite(loss_)) {
    result.non_finite = "loss";
    if (store_.loss_scale().defined()) {
      store_.update_loss_scale(at::ones({}));
    }
    return;
  }
  std::optional<cuda::ProfileRange> range("clip");
  const at::Tensor norm = scaled_norm();
  result.grad_norm = norm.item<double>();
  optim::UpdateControl control =
      optim::control_update(norm, options_.optim.clip_norm, store_.loss_scale());
  control.ema_decay = ema_decay();
  range.reset();
  if (std::isfinite(result.grad_norm)) {
    optim::adamw_step(store_, options_.optim, lr, control);
  } else {
    const std::string name = store_.find_non_finite_gradient();
    result.non_finite = name.empty() ? "gradient norm" : "gradient of " + name;
  }
  if (store_.loss_scale().defined()) {  // after the update, which divides by this step's scale
    store_.update_loss_scale(control.found_inf);
  }
}

}  // namespace vim::train
