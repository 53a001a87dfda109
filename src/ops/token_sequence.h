// From patches to the tokens of a model: class tokens between them, the position embedding added.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace vim::ops {

/// A token that every sequence has.
struct ClsToken {
  at::Tensor value;  // (1, 1, channels), float
  int64_t slot = 0;  // where it stands in the sequence
};

/// Returns (batch, num_patches + number of class tokens, channels), float, from patches (batch,
/// num_patches, channels): the patches in order around the class tokens, plus pos_embed, (1,
/// num_tokens, channels), float, where it is defined. cls_tokens: up to two, slots ascending.
/// Differentiable. Throws c10::Error on a mismatch, std::invalid_argument for slots outside the
/// sequence. Source: vim_spec 1.3.
at::Tensor token_sequence(
    const at::Tensor& patches,
    const std::vector<ClsToken>& cls_tokens,
    const at::Tensor& pos_embed);

}  // namespace vim::ops
