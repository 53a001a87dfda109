// From patches to the tokens of a model and back: class tokens stand between the patches, the
// position embedding is added.
//
//   out[n, t] = (a class token, or a patch of image n) + pos_embed[t]
//   dpatches[n, p] = dout[n, the token of patch p], rounded to the patches' type
//
// Sums are in float. Source: vim_spec 1.3.
#pragma once

#include "kernels/storage.h"
#include "kernels/types.h"

namespace vim::kernels {

/// Most class tokens a sequence has.
inline constexpr int kMaxClsTokens = 2;

/// What is a class token and what is a patch in the sequences of a batch.
struct TokenSequence {
  int64_t batch = 0;
  int64_t num_patches = 0;  // of an image
  int64_t channels = 0;
  DType dtype = DType::kFloat32;       // of patches
  int num_cls_tokens = 0;              // of a sequence
  int64_t cls_slots[kMaxClsTokens]{};  // where they stand in it, ascending

  VIM_HOST_DEVICE int64_t num_tokens() const { return num_patches + num_cls_tokens; }
};

struct TokenSequenceParams : TokenSequence {
  const void* patches = nullptr;             // (batch, num_patches, channels)
  const float* cls_tokens[kMaxClsTokens]{};  // (channels) each
  const float* pos_embed = nullptr;          // (num_tokens, channels), or null: nothing is added
  float* out = nullptr;                      // (batch, num_tokens, channels)
};

struct TokenSequenceBackwardParams : TokenSequence {
  const float* dout = nullptr;  // (batch, num_tokens, channels)
  void* dpatches = nullptr;     // (batch, num_patches, channels)
};

/// Throws std::invalid_argument for sizes or slots that make no sense or a missing array.
void check_token_sequence(const TokenSequenceParams& params);
void check_token_sequence_backward(const TokenSequenceBackwardParams& params);

/// One row for each image.
int64_t token_sequence_num_rows(const TokenSequence& sequence);

/// Writes out. Throws as check_token_sequence does. Deterministic.
void token_sequence(const TokenSequenceParams& params, RowRange rows);

/// Writes dpatches. Throws as check_token_sequence_backward does. Deterministic.
void token_sequence_backward(const TokenSequenceBackwardParams& params, RowRange rows);

}  // namespace vim::kernels
