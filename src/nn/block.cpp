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
    std::optional<int64_t> only_slot) {
  if (only_slot) {
    ops::AddNormResult normed = norm->forward(hidden, residual, drop_path, compute_dtype);
    hidden = residual = at::Tensor();
    normed.residual = normed.residual.narrow(1, *only_slot, 1).contiguous();
    return {mixer->forward_at(normed.out, *only_slot, prepared), normed.residual};
  }
  if (mixer->options().linear_bias) {
    const ops::AddNormResult normed = norm->forward(hidden, residual, drop_path, compute_dtype);
    return {mixer->forward(normed.out, prepared), normed.residual};
  }
  const ops::AddNormResult xz = norm->forward_linear(
      hidden, residual, drop_path, compute_dtype, mixer->in_proj()->op_weight());
  hidden = residual = at::Tensor();
  return {mixer->mix(xz.out, prepared), xz.residual};
}

}  // namespace vim::nn
