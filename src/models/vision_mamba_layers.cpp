// How the tokens go through the model's layers: in order, in pairs, recomputed, with rotations.
#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "src/models/layer_group.h"
#include "src/models/vision_mamba.h"
#include "src/nn/recompute.h"

namespace vim::models {
namespace {

at::Tensor flip_tokens(const at::Tensor& tokens) {
  return tokens.defined() ? at::flip(tokens, {1}) : tokens;
}

}  // namespace

// With gradients the parameters change from pass to pass: what the mixers need of them is made for
// all layers together.
VisionMambaImpl::Pass VisionMambaImpl::start_pass(const StepDraws& draws) {
  Pass pass{draws, {}, {}};
  if (at::GradMode::is_enabled()) {
    std::vector<std::vector<ops::Branch>> branches;
    for (size_t i = 0; i < layers_->size(); ++i) {
      branches.push_back(layers_->at<nn::BlockImpl>(i).mixer->branches());
    }
    pass.prepared = ops::prepare_layers(branches, compute_dtype_);
  }
  return pass;
}

// The one token that anybody reads of the last layer's output, where it is one that each direction
// reaches from its own side: the last layer then leaves out the others.
std::optional<int64_t> VisionMambaImpl::only_slot(
    const Sequence& sequence, const LayerOutputs* layers) const {
  const bool reads_one =
      sequence.cls_slots.size() == 1 && (layers == nullptr || !layers->wants(options_.depth - 1));
  const bool is_layer_by_layer = !options_.bidirectional_pairs;
  const bool sees_one_side = options_.mixer.bimamba != nn::Bimamba::kV1;
  if (reads_one && is_layer_by_layer && sees_one_side) {
    return sequence.cls_slots[0];
  }
  return std::nullopt;
}

nn::BlockOutput VisionMambaImpl::run_block(
    int64_t index, at::Tensor hidden, at::Tensor residual, const Pass& pass) {
  const auto place = static_cast<size_t>(index);
  auto& block = layers_->at<nn::BlockImpl>(place);
  // Nothing can be dropped in front of the first block: there is no residual to fall back on.
  const nn::DropPathMask mask =
      residual.defined() ? drop_path(pass.draws, index) : nn::DropPathMask{};
  return block.forward(
      std::move(hidden),
      std::move(residual),
      mask,
      compute_dtype_,
      pass.prepared.empty() ? ops::PreparedBranches{} : pass.prepared[place],
      index + 1 == options_.depth ? pass.only_slot : std::nullopt);
}

void VisionMambaImpl::run_layer(int64_t index, Sequence& sequence, const Pass& pass) {
  if (options_.rope) {
    rotate(sequence, /*undo_flip=*/sequence.is_flipped);
  }
  const auto out = run_block(index, std::move(sequence.hidden), std::move(sequence.residual), pass);
  sequence.hidden = out.hidden;
  sequence.residual = out.residual;
}

void VisionMambaImpl::run_layers(Sequence& sequence, const Pass& pass, LayerOutputs* layers) {
  const bool recomputes_layers = recompute_ == Recompute::kMixer || recompute_ == Recompute::kBlock;
  if (recomputes_layers && is_training() && layers == nullptr) {
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
  Sequence start = sequence;
  start.hidden = start.residual = at::Tensor();
  const int64_t group = recomputed_group(recompute_, options_.depth);
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

}  // namespace vim::models
