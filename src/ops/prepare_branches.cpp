// The branches' weights as the core's products take them.
#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "src/ops/bidirectional_mamba.h"
#include "src/ops/mamba_core.h"
#include "src/ops/stacked.h"

namespace vim::ops {
namespace {

using Layers = std::vector<std::vector<Branch>>;

// One tensor of every branch that has it, (layers, branches, ...). pick(branch): undefined where
// the branch has none of its own.
template <typename Pick>
at::Tensor stack_layers(const Layers& layers, Pick pick) {
  std::vector<at::Tensor> stacks;
  for (const std::vector<Branch>& branches : layers) {
    std::vector<at::Tensor> tensors;
    for (const Branch& branch : branches) {
      if (at::Tensor tensor = pick(branch); tensor.defined()) {
        tensors.push_back(std::move(tensor));
      }
    }
    stacks.push_back(stacked(tensors));
  }
  return stacked(stacks);
}

at::Tensor stack_weights(
    const Layers& layers,
    at::Tensor Branch::*weight,
    at::Tensor Branch::*shadow,
    at::ScalarType dtype) {
  return stack_layers(layers, [&](const Branch& branch) {
    return branch.shares_projections ? at::Tensor()
                                     : weight_in(branch.*weight, branch.*shadow, dtype);
  });
}

// Fills up both projections of all layers as PreparedBranches says, where their sizes ask for it.
void pad(PreparedBranches& prepared) {
  const int64_t rank = prepared.dt_proj.size(3);
  const int64_t padded_rank = round_to_vectors(rank);
  const int64_t rest = prepared.x_proj.size(2) - rank;
  const int64_t rows = round_to_vectors(padded_rank + rest);
  if (rows == prepared.x_proj.size(2)) {
    return;
  }
  const at::Tensor x_proj = prepared.x_proj;
  std::vector<int64_t> sizes = x_proj.sizes().vec();
  sizes[2] = rows;
  prepared.x_proj = at::zeros(sizes, x_proj.options().requires_grad(false));
  prepared.x_proj.narrow(2, 0, rank).copy_(x_proj.narrow(2, 0, rank));
  prepared.x_proj.narrow(2, padded_rank, rest).copy_(x_proj.narrow(2, rank, rest));
  prepared.dt_proj = at::constant_pad_nd(prepared.dt_proj, {0, padded_rank - rank});
}

}  // namespace

std::vector<PreparedBranches> prepare_layers(const Layers& layers, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  PreparedBranches all;
  all.x_proj = stack_weights(layers, &Branch::x_proj, &Branch::x_proj_shadow, dtype);
  all.dt_proj = stack_weights(layers, &Branch::dt_proj, &Branch::dt_proj_shadow, dtype);
  all.A = stack_layers(layers, [](const Branch& branch) { return branch.A_log; }).exp().neg_();
  if (at::elementSize(dtype) == 2) {
    pad(all);
  }
  std::vector<PreparedBranches> result;
  for (int64_t i = 0; i < all.A.size(0); ++i) {
    result.push_back({all.x_proj[i], all.dt_proj[i], all.A[i]});
  }
  return result;
}

PreparedBranches prepare_branches(const std::vector<Branch>& branches, at::ScalarType dtype) {
  return prepare_layers({branches}, dtype)[0];
}

}  // namespace vim::ops
