// What a forward pass leaves to look at beside its result.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vim::models {

/// What leaves each block (or pair of blocks with bidirectional_pairs), in order.
struct LayerOutputs {
  std::vector<int64_t> wanted;       // the entries to keep, others stay undefined; empty: all
  std::vector<at::Tensor> hidden;    // (batch, num_tokens, embed_dim)
  std::vector<at::Tensor> residual;  // the same shape, float
  at::Tensor normed;                 // what leaves the final norm, if the last entry is wanted

  bool wants(int64_t entry) const;
  void add(const at::Tensor& block_hidden, const at::Tensor& block_residual);
};

}  // namespace vim::models
