// One token sequence for every implementation: the cases, their buffers, and what they must give.
#pragma once

#include <string>
#include <vector>

#include "kernels/token_sequence.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

struct TokenCase {
  const char* name;
  int64_t batch;
  int64_t num_patches;
  int64_t channels;
  std::vector<int64_t> cls_slots;
  bool has_pos_embed = true;
  kernels::DType dtype = kernels::DType::kFloat32;
};

/// Class tokens first, in the middle, last, at both ends, beside each other and none; odd channels;
/// every storage type; more images and more tokens than one block takes.
const std::vector<TokenCase>& token_cases();

/// Inputs of one case, its outputs preset to NaN, and parameters that point to them.
struct TokenRun {
  explicit TokenRun(const TokenCase& test);

  TokenArray patches;
  std::vector<std::vector<float>> cls_tokens;
  std::vector<float> pos_embed;
  std::vector<float> out;
  std::vector<float> dout;
  TokenArray dpatches;
  kernels::TokenSequenceParams params;
  kernels::TokenSequenceBackwardParams backward;
};

/// What out must be, token by token from the definition.
std::vector<float> expected_tokens(const TokenCase& test, const TokenRun& run);

/// What dpatches must be, before it is rounded.
Values expected_dpatches(const TokenCase& test, const TokenRun& run);

}  // namespace vim::tests
