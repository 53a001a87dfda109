// The branches' weights as the core's products take them.
#include <ATen/ATen.h>

#include "src/ops/bidirectional_mamba.h"
#include "src/ops/mamba_core.h"
#include "src/ops/stacked.h"

namespace vim::ops {
namespace {

using Layers = std::vector<std::vector<Branch>>;

// (layers, projected branches, rows, columns).
at::Tensor stack_weights(
    const Layers& layers,
    at::Tensor Branch::*weight,
    at::Tensor Branch::*shadow,
    at::ScalarType dtype) {
  std::vector<at::Tensor> stacks;
  for (const std::vector<Branch>& branches : layers) {
    std::vector<at::Tensor> weights;
    for (const Branch& branch : branches) {
      if (!branch.shares_projections) {
        weights.push_back(weight_in(branch.*weight, branch.*shadow, dtype));
      }
    }
    stacks.push_back(stacked(weights));
  }
  return stacked(stacks);
}

// (layers, branches, d_inner, d_state).
at::Tensor stack_logs(const Layers& layers) {
  std::vector<at::Tensor> stacks;
  for (const std::vector<Branch>& branches : layers) {
    std::vector<at::Tensor> logs;
    for (const Branch& branch : branches) {
      logs.push_back(branch.A_log);
    }
    stacks.push_back(stacked(logs));
  }
  return stacked(stacks);
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
  all.A = stack_logs(layers).exp().neg_();
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
