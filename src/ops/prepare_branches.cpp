// The branches' weights as the core's products take them.
#include <ATen/ATen.h>

#include "src/ops/bidirectional_mamba.h"
#include "src/ops/mamba_core.h"
#include "src/ops/stacked.h"

namespace vim::ops {
namespace {

at::Tensor stack_weights(
    const std::vector<Branch>& branches,
    at::Tensor Branch::*weight,
    at::Tensor Branch::*shadow,
    at::ScalarType dtype) {
  std::vector<at::Tensor> weights;
  for (const Branch& branch : branches) {
    if (!branch.shares_projections) {
      weights.push_back(weight_in(branch.*weight, branch.*shadow, dtype));
    }
  }
  return stacked(weights);
}

// Fills up both projections as PreparedBranches says, where their sizes ask for it.
void pad(PreparedBranches& prepared) {
  const int64_t rank = prepared.dt_proj.size(2);
  const int64_t padded_rank = round_to_vectors(rank);
  const int64_t rest = prepared.x_proj.size(1) - rank;
  const int64_t rows = round_to_vectors(padded_rank + rest);
  if (rows == prepared.x_proj.size(1)) {
    return;
  }
  const at::Tensor x_proj = prepared.x_proj;
  prepared.x_proj =
      at::zeros({x_proj.size(0), rows, x_proj.size(2)}, x_proj.options().requires_grad(false));
  prepared.x_proj.narrow(1, 0, rank).copy_(x_proj.narrow(1, 0, rank));
  prepared.x_proj.narrow(1, padded_rank, rest).copy_(x_proj.narrow(1, rank, rest));
  prepared.dt_proj = at::constant_pad_nd(prepared.dt_proj, {0, padded_rank - rank});
}

}  // namespace

PreparedBranches prepare_branches(const std::vector<Branch>& branches, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> logs;
  for (const Branch& branch : branches) {
    logs.push_back(branch.A_log);
  }
  PreparedBranches prepared;
  prepared.x_proj = stack_weights(branches, &Branch::x_proj, &Branch::x_proj_shadow, dtype);
  prepared.dt_proj = stack_weights(branches, &Branch::dt_proj, &Branch::dt_proj_shadow, dtype);
  prepared.A = stacked(logs).exp().neg_();
  if (at::elementSize(dtype) == 2) {
    pad(prepared);
  }
  return prepared;
}

}  // namespace vim::ops
