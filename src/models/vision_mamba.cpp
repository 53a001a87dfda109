// The model's forward pass, from images to logits; the layers' part is in vision_mamba_layers.cpp.
// Where it follows a peculiarity of the official code, the line says so.
#include "src/models/vision_mamba.h"

#include <ATen/ATen.h>

#include "src/models/cls_slots.h"

namespace vim::models {
namespace {

void check_options(const VisionMambaOptions& options) {
  TORCH_CHECK(
      options.img_size[0] >= options.patch_size && options.img_size[1] >= options.patch_size,
      "VisionMamba: img_size must be at least patch_size = ",
      options.patch_size);
  TORCH_CHECK(
      options.stride > 0 && options.depth > 0, "VisionMamba: stride and depth must be positive");
  TORCH_CHECK(
      options.cls_position == ClsPosition::kNone ||
          (options.pool != Pool::kMax && options.pool != Pool::kAll),
      "VisionMamba: pool max and all need cls_position none");
}

// Whole images, or the patches that ops::image_batch cuts them into.
void check_images(const VisionMambaOptions& options, const at::Tensor& images) {
  const int64_t fan_in = options.channels * options.patch_size * options.patch_size;
  const bool are_patches =
      images.dim() == 3 && images.size(1) == options.num_patches() && images.size(2) == fan_in;
  const bool are_images = images.dim() == 4 && images.size(1) == options.channels &&
                          images.size(2) == options.img_size[0] &&
                          images.size(3) == options.img_size[1];
  TORCH_CHECK(
      are_patches || are_images,
      "VisionMamba: images must be (batch, ",
      options.channels,
      ", ",
      options.img_size[0],
      ", ",
      options.img_size[1],
      "), got ",
      images.sizes());
}

}  // namespace

std::vector<double> drop_path_schedule(int64_t depth, double rate) {
  // A 0 stands in front because block i drops the output of mixer i - 1.
  const at::Tensor ramp = at::linspace(0.0, rate, depth, at::kFloat);
  std::vector<double> rates = {0.0};
  for (int64_t i = 0; i + 1 < depth; ++i) {
    rates.push_back(ramp[i].item<float>());
  }
  rates.push_back(rate);
  return rates;
}

VisionMambaImpl::VisionMambaImpl(const VisionMambaOptions& options)
    : options_(options),
      drop_path_rates_(drop_path_schedule(options.depth, options.drop_path_rate)) {
  check_options(options_);
  const int64_t embed_dim = options_.mixer.embed_dim;
  register_tokens();
  patch_embed_ = register_module(
      "patch_embed",
      nn::PatchEmbed(nn::PatchEmbedOptions{
          options_.channels, embed_dim, options_.patch_size, options_.stride}));
  if (options_.rope) {
    rope_ = register_module(
        "rope",
        nn::Rope(nn::RopeOptions{
            embed_dim,
            options_.grid_height(),
            options_.grid_width(),
            options_.rope_pretrain_grid}));
  }
  if (options_.num_classes > 0) {
    head_ = register_module(
        "head", nn::Linear(nn::LinearOptions{embed_dim, options_.num_classes, true}));
  }
  const nn::NormOptions norm{
      embed_dim,
      options_.norm == Norm::kRms ? kernels::NormKind::kRms : kernels::NormKind::kLayer,
      options_.norm_epsilon};
  for (int64_t i = 0; i < options_.depth; ++i) {
    layers_->push_back(nn::Block(nn::BlockOptions{options_.mixer, norm}));
  }
  register_module("layers", layers_);
  norm_f_ = register_module("norm_f", nn::Norm(norm));
}

void VisionMambaImpl::register_tokens() {
  const int64_t embed_dim = options_.mixer.embed_dim;
  const auto token = [embed_dim] { return at::zeros({1, 1, embed_dim}); };
  if (options_.cls_position == ClsPosition::kDouble) {
    cls_token_ = register_parameter("cls_token_head", token());
    cls_token_tail_ = register_parameter("cls_token_tail", token());
  } else if (options_.cls_position != ClsPosition::kNone) {
    cls_token_ = register_parameter("cls_token", token());
  }
  if (options_.pos_embed) {
    pos_embed_ = register_parameter("pos_embed", at::zeros({1, options_.num_tokens(), embed_dim}));
  }
}

at::Tensor VisionMambaImpl::forward(const at::Tensor& images, const StepDraws& draws) {
  return classify(forward_features(images, draws));
}

at::Tensor VisionMambaImpl::classify(const at::Tensor& features) {
  if (head_.is_empty()) {
    return features;
  }
  const at::Tensor logits = head_->forward(features);
  return options_.pool == Pool::kMax ? std::get<0>(logits.max(1)) : logits;
}

at::Tensor VisionMambaImpl::forward_features(
    const at::Tensor& images, const StepDraws& draws, LayerOutputs* layers) {
  Sequence sequence = embed(images, draws);
  Pass pass = start_pass(draws);
  pass.only_slot = only_slot(sequence, layers);
  if (options_.bidirectional_pairs) {
    run_layer_pairs(sequence, pass, layers);
  } else {
    run_layers(sequence, pass, layers);
  }
  if (pass.only_slot) {
    sequence.cls_slots = {0};
  }
  const auto normed = norm_f_->forward(
      sequence.hidden, sequence.residual, drop_path(draws, options_.depth), at::kFloat);
  if (layers != nullptr && !pass.only_slot) {
    layers->normed = normed.out;
  }
  return select_features(sequence, normed.out);
}

// Patches, class token(s), position embedding; then the options that reorder the sequence.
VisionMambaImpl::Sequence VisionMambaImpl::embed(const at::Tensor& images, const StepDraws& draws) {
  check_images(options_, images);
  Sequence sequence;
  const at::Tensor patches = patch_embed_->forward(images, compute_dtype_);
  sequence.cls_slots = token_slots(patches.size(1), draws);
  // Rows of pos_embed belong to slots of the sequence, not to tokens: a middle class token uses a
  // middle row.
  sequence.hidden = ops::token_sequence(patches, cls_tokens(sequence.cls_slots), pos_embed_);
  if (pos_embed_.defined() && draws.dropout_mask.defined() && is_training()) {
    sequence.hidden = sequence.hidden * draws.dropout_mask / (1.0 - options_.drop_rate);
  }
  if (draws.token_order.defined()) {
    reorder(sequence, draws.token_order);
  }
  if (draws.flip_tokens) {
    // As officially: the class token's slot is not moved along, and the flip is never undone.
    sequence.hidden = at::flip(sequence.hidden, {1});
    sequence.is_flipped = true;
  }
  return sequence;
}

std::vector<int64_t> VisionMambaImpl::token_slots(
    int64_t num_patches, const StepDraws& draws) const {
  std::vector<int64_t> slots = cls_slots(options_.cls_position, num_patches);
  if (options_.cls_position == ClsPosition::kRandom && draws.cls_position) {
    slots = {*draws.cls_position};
    TORCH_CHECK(
        slots[0] >= 0 && slots[0] <= num_patches,
        "VisionMamba: class token position must be 0 to ",
        num_patches,
        ", got ",
        slots[0]);
  }
  return slots;
}

std::vector<ops::ClsToken> VisionMambaImpl::cls_tokens(const std::vector<int64_t>& slots) const {
  std::vector<ops::ClsToken> tokens;
  for (const int64_t slot : slots) {
    tokens.push_back({tokens.empty() ? cls_token_ : cls_token_tail_, slot});
  }
  return tokens;
}

void VisionMambaImpl::reorder(Sequence& sequence, const at::Tensor& order) const {
  // The order is on the host: the class token's new place is looked up there.
  sequence.hidden = sequence.hidden.index_select(1, order.to(sequence.hidden.device()));
  for (int64_t& slot : sequence.cls_slots) {
    slot = at::nonzero(order == slot).item<int64_t>();
  }
}

at::Tensor VisionMambaImpl::select_features(
    const Sequence& sequence, const at::Tensor& normed) const {
  const auto& slots = sequence.cls_slots;
  if (slots.size() == 2) {
    return (normed.select(1, slots[0]) + normed.select(1, slots[1])) / 2;
  }
  if (slots.size() == 1) {
    return normed.select(1, slots[0]);
  }
  switch (options_.pool) {
    case Pool::kLast:
      return normed.select(1, normed.size(1) - 1);
    case Pool::kMean:
      return normed.mean(1);
    case Pool::kMax:
    case Pool::kAll:
      return normed;
  }
  TORCH_INTERNAL_ASSERT(false, "unknown pool");
}

nn::DropPathMask VisionMambaImpl::drop_path(const StepDraws& draws, int64_t row) const {
  const double rate = drop_path_rates_[static_cast<size_t>(row)];
  if (!is_training() || rate == 0.0 || !draws.drop_path_masks.defined()) {
    return {};
  }
  return {draws.drop_path_masks.select(0, row), 1.0 - rate};
}

void VisionMambaImpl::set_compute_dtype(at::ScalarType dtype) { compute_dtype_ = dtype; }

void VisionMambaImpl::set_recompute(Recompute recompute) {
  recompute_ = recompute;
  // A layer that is computed again keeps everything: only until its own backward, which follows.
  const bool keeps = recompute == Recompute::kNone || recompute == Recompute::kMixer;
  for (size_t i = 0; i < layers_->size(); ++i) {
    auto& block = layers_->at<nn::BlockImpl>(i);
    block.mixer->keeps_activations = keeps;
    block.norm->keeps_norm = keeps;
  }
}

void VisionMambaImpl::install_shadows(
    const std::function<at::Tensor(const at::Tensor& parameter)>& shadow_of) {
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* linear = module->as<nn::LinearImpl>()) {
      linear->weight_shadow = shadow_of(linear->weight);
    } else if (auto* projection = module->as<nn::PatchProjectionImpl>()) {
      projection->weight_shadow = shadow_of(projection->weight);
    }
  }
  if (!head_.is_empty()) {
    head_->weight_shadow = at::Tensor();  // logits are float
  }
}

void VisionMambaImpl::prepare_inference() {
  for (size_t i = 0; i < layers_->size(); ++i) {
    layers_->at<nn::BlockImpl>(i).mixer->prepare_inference(compute_dtype_);
  }
}

void VisionMambaImpl::install_gradient_mode(const at::Tensor& mode) {
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* linear = module->as<nn::LinearImpl>()) {
      linear->gradient_mode = mode;
    } else if (auto* projection = module->as<nn::PatchProjectionImpl>()) {
      projection->gradient_mode = mode;
    } else if (auto* norm = module->as<nn::NormImpl>()) {
      norm->gradient_mode = mode;
    } else if (auto* mixer = module->as<nn::MambaMixerImpl>()) {
      mixer->gradient_mode = mode;
    }
  }
}

}  // namespace vim::models
