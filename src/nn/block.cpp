// The layer's two modules, in the official order of names.
#include "src/nn/block.h"

#include <ATen/ATen.h>

namespace vim::nn {

BlockImpl::BlockImpl(const BlockOptions& options) {
  mixer = register_module("mixer", MambaMixer(options.mixer));
  norm = register_module("norm", Norm(options.norm));
}

BlockOutput BlockImpl::forward(
    at::Tensor hidden,
    at::Tensor residual,
    const DropPathMask& drop_path,
    at::ScalarType compute_dtype,
    const ops::PreparedBranches& prepared,
    std::optional<int64_t> only_token) {
  BlockOutput out;
  if (mixer->options().linear_bias) {
    const ops::AddNormResult normed = norm->forward(hidden, residual, drop_path, compute_dtype);
    hidden = residual = at::Tensor();
    out = {mixer->forward(normed.out, prepared, only_token), normed.residual};
  } else {
    const ops::AddNormResult xz = norm->forward_linear(
        hidden, residual, drop_path, compute_dtype, mixer->in_proj()->op_weight());
    hidden = residual = at::Tensor();
    out = {mixer->mix(xz.out, prepared, only_token), xz.residual};
  }
  if (only_token) {
    out.residual = out.residual.narrow(1, *only_token, 1).contiguous();
  }
  return out;
}

}  // namespace vim::nn
