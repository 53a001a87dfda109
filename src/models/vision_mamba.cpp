// The model's forward pass, from images to logits. Where it follows a peculiarity of the official
// code, the line says so.
#include "src/models/vision_mamba.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/models/cls_slots.h"
#include "src/nn/recompute.h"

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

at::Tensor flip_tokens(const at::Tensor& tokens) {
  return tokens.defined() ? at::flip(tokens, {1}) : tokens;
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
  const Pass pass = start_pass(draws);
  if (options_.bidirectional_pairs) {
    run_layer_pairs(sequence, pass, layers);
  } else {
    run_layers(sequence, pass, layers);
  }
  const auto normed = norm_f_->forward(
      sequence.hidden, sequence.residual, drop_path(draws, options_.depth), at::kFloat);
  if (layers != nullptr) {
    layers->normed = normed.out;
  }
  return select_features(sequence, normed.out);
}

// Patches, class token(s), position embedding; then the options that reorder the sequence.
VisionMambaImpl::Sequence VisionMambaImpl::embed(const at::Tensor& images, const StepDraws& draws) {
  check_images(options_, images);
  Sequence sequence;
  sequence.hidden = patch_embed_->forward(images.to(compute_dtype_)).to(at::kFloat);
  insert_cls_tokens(sequence, draws);
  if (pos_embed_.defined()) {
    // Rows belong to slots of the sequence, not to tokens: a middle class token uses a middle row.
    sequence.hidden = sequence.hidden + pos_embed_;
    if (draws.dropout_mask.defined() && is_training()) {
      sequence.hidden = sequence.hidden * draws.dropout_mask / (1.0 - options_.drop_rate);
    }
  }
  if (draws.token_order.defined()) {
    reorder(sequence, draws.token_order);
  }
  if (draws.flip_tokens) {
    // As officially: the class token's slot is not moved along, and the flip is never undone.
    sequence.hidden = flip_tokens(sequence.hidden);
    sequence.is_flipped = true;
  }
  return sequence;
}

void VisionMambaImpl::insert_cls_tokens(Sequence& sequence, const StepDraws& draws) {
  const int64_t batch = sequence.hidden.size(0);
  const int64_t num_patches = sequence.hidden.size(1);
  const auto expand = [batch](const at::Tensor& token) { return token.expand({batch, -1, -1}); };
  sequence.cls_slots = cls_slots(options_.cls_position, num_patches);
  if (options_.cls_position == ClsPosition::kNone) {
    return;
  }
  if (options_.cls_position == ClsPosition::kDouble) {
    sequence.hidden =
        at::cat({expand(cls_token_), sequence.hidden, expand(cls_token_tail_)}, /*dim=*/1);
    return;
  }
  if (options_.cls_position == ClsPosition::kRandom && draws.cls_position) {
    sequence.cls_slots = {*draws.cls_position};
  }
  const int64_t slot = sequence.cls_slots.front();
  TORCH_CHECK(
      slot >= 0 && slot <= num_patches,
      "VisionMamba: class token position must be 0 to ",
      num_patches,
      ", got ",
      slot);
  sequence.hidden = at::cat(
      {sequence.hidden.narrow(1, 0, slot),
       expand(cls_token_),
       sequence.hidden.narrow(1, slot, num_patches - slot)},
      /*dim=*/1);
}

void VisionMambaImpl::reorder(Sequence& sequence, const at::Tensor& order) const {
  // The order is on the host: the class token's new place is looked up there.
  sequence.hidden = sequence.hidden.index_select(1, order.to(sequence.hidden.device()));
  for (int64_t& slot : sequence.cls_slots) {
    slot = at::nonzero(order == slot).item<int64_t>();
  }
}

// With gradients the parameters change from pass to pass: what the mixers need of them is made for
// all layers together.
VisionMambaImpl::Pass VisionMambaImpl::start_pass(const StepDraws& draws) {
  Pass pass{draws, {}};
  if (at::GradMode::is_enabled()) {
    std::vector<std::vector<ops::Branch>> branches;
    for (size_t i = 0; i < layers_->size(); ++i) {
      branches.push_back(layers_->at<nn::BlockImpl>(i).mixer->branches());
    }
    pass.prepared = ops::prepare_layers(branches, compute_dtype_);
  }
  return pass;
}

nn::BlockOutput VisionMambaImpl::run_block(
    int64_t index, const at::Tensor& hidden, const at::Tensor& residual, const Pass& pass) {
  const auto place = static_cast<size_t>(index);
  auto& block = layers_->at<nn::BlockImpl>(place);
  // Nothing can be dropped in front of the first block: there is no residual to fall back on.
  const nn::DropPathMask mask =
      residual.defined() ? drop_path(pass.draws, index) : nn::DropPathMask{};
  return block.forward(
      hidden,
      residual,
      mask,
      compute_dtype_,
      pass.prepared.empty() ? ops::PreparedBranches{} : pass.prepared[place]);
}

void VisionMambaImpl::run_layer(int64_t index, Sequence& sequence, const Pass& pass) {
  if (options_.rope) {
    rotate(sequence, /*undo_flip=*/sequence.is_flipped);
  }
  const auto out = run_block(index, sequence.hidden, sequence.residual, pass);
  sequence.hidden = out.hidden;
  sequence.residual = out.residual;
}

void VisionMambaImpl::run_layers(Sequence& sequence, const Pass& pass, LayerOutputs* layers) {
  if (recompute_ != Recompute::kNone && is_training() && layers == nullptr) {
    run_layers_recomputed(sequence, pass);
    return;
  }
  for (int64_t i = 0; i < options_.depth; ++i) {
    run_layer(i, sequence, pass);
    if (layers != nullptr) {
      layers->add(sequence.hidden, sequence.residual);
    }
  }
}

// Groups of layers, of which only what enters them is kept.
void VisionMambaImpl::run_layers_recomputed(Sequence& sequence, const Pass& pass) {
  const auto depth = static_cast<double>(options_.depth);
  Sequence start = sequence;
  start.hidden = start.residual = at::Tensor();
  const int64_t group = recompute_ == Recompute::kBlock ? std::lround(std::sqrt(depth)) : 1;
  for (int64_t first = 0; first < options_.depth; first += group) {
    const int64_t end = std::min(first + group, options_.depth);
    // The backward runs this long after this function has returned: everything by value.
    const auto work = [this, first, end, pass, start](const std::vector<at::Tensor>& inputs) {
      Sequence part = start;
      part.hidden = inputs[0];
      part.residual = inputs[1];
      for (int64_t i = first; i < end; ++i) {
        run_layer(i, part, pass);
      }
      return std::vector<at::Tensor>{part.hidden, part.residual};
    };
    const auto outputs = nn::recomputed({sequence.hidden, sequence.residual}, work);
    sequence.hidden = outputs[0];
    sequence.residual = outputs[1];
  }
}

// Even layers walk forward, odd ones over the flipped tokens, both from the same state, so that the
// residual doubles at each pair. With an odd depth the last layer is never used. Both as
// officially.
void VisionMambaImpl::run_layer_pairs(Sequence& sequence, const Pass& pass, LayerOutputs* layers) {
  for (int64_t i = 0; i + 1 < options_.depth; i += 2) {
    if (options_.rope) {
      rotate(sequence, /*undo_flip=*/false);
    }
    const auto ahead = run_block(i, sequence.hidden, sequence.residual, pass);
    const auto back =
        run_block(i + 1, flip_tokens(sequence.hidden), flip_tokens(sequence.residual), pass);
    sequence.hidden = ahead.hidden + flip_tokens(back.hidden);
    sequence.residual = ahead.residual + flip_tokens(back.residual);
    if (layers != nullptr) {
      layers->add(sequence.hidden, sequence.residual);
    }
  }
}

// Rotates the hidden state, in every layer anew, and the residual on request.
void VisionMambaImpl::rotate(Sequence& sequence, bool undo_flip) {
  const bool is_reversed = sequence.is_flipped && !undo_flip;
  const at::Tensor slots = rope_slots(is_reversed ? mirrored(sequence) : sequence);
  const auto apply = [&](const at::Tensor& tokens) {
    const at::Tensor upright = undo_flip ? flip_tokens(tokens) : tokens;
    const at::Tensor rotated = rope_->forward(upright, slots);
    return undo_flip ? flip_tokens(rotated) : rotated;
  };
  sequence.hidden = apply(sequence.hidden);
  if (options_.rope_residual && sequence.residual.defined()) {
    sequence.residual = apply(sequence.residual);
  }
}

// The same tokens with the class tokens' slots counted from the other end: where they stand in a
// flipped sequence, whose slots are not moved along (vim_spec 1.6).
VisionMambaImpl::Sequence VisionMambaImpl::mirrored(Sequence sequence) {
  for (int64_t& slot : sequence.cls_slots) {
    slot = sequence.hidden.size(1) - 1 - slot;
  }
  return sequence;
}

// The slots that the table's cells go to. The official rule, by parity: an odd number of tokens
// leaves token 0 alone. Where it does not fit the table (or on request), the class tokens stay
// alone.
at::Tensor VisionMambaImpl::rope_slots(const Sequence& sequence) {
  const int64_t num_tokens = sequence.hidden.size(1);
  std::vector<int64_t> key = sequence.cls_slots;
  key.push_back(num_tokens);
  at::Tensor& slots = rope_slots_[key];
  if (slots.defined() && slots.device() == sequence.hidden.device()) {
    return slots;
  }
  const int64_t skipped = num_tokens % 2;
  if (options_.rope_skips_first_token && num_tokens - skipped == rope_->num_cells()) {
    slots = at::arange(skipped, num_tokens, at::kLong);
  } else {
    at::Tensor is_patch = at::ones({num_tokens}, at::kBool);
    for (const int64_t slot : sequence.cls_slots) {
      is_patch[slot] = false;
    }
    slots = at::nonzero(is_patch).flatten();
  }
  slots = slots.to(sequence.hidden.device());
  return slots;
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
