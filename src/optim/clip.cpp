// Rows of fixed length first, each summed by one thread; then the norms of the rows, in double.
#include "src/optim/clip.h"

#include <ATen/ATen.h>

namespace vim::optim {

at::Tensor gradient_norm(const ParameterStore& store) {
  const at::NoGradGuard no_grad;
  const at::Tensor rows = store.flat(StoreBuffer::kGrad).view({-1, kStoreRow});
  const at::Tensor row_norms = at::linalg_vector_norm(rows, 2, at::IntArrayRef{1});
  const at::Tensor squares = row_norms.to(at::kDouble).square();
  if (squares.is_cuda()) {
    return squares.sum().sqrt();  // in a fixed order, unlike cumsum there
  }
  // cumsum is serial on the CPU: a plain sum of many rows would be split among threads.
  return squares.cumsum(0).select(0, -1).sqrt();
}

UpdateControl control_update(
    const at::Tensor& norm, std::optional<double> max_norm, const at::Tensor& loss_scale) {
  const at::NoGradGuard no_grad;
  UpdateControl control;
  control.found_inf = at::isfinite(norm).logical_not().to(at::kFloat);
  if (max_norm) {
    control.grad_scale = ((norm + 1e-6) / *max_norm).clamp_min(1.0).to(at::kFloat);
  }
  if (loss_scale.defined()) {
    control.grad_scale = max_norm ? control.grad_scale * loss_scale : loss_scale;
  }
  return control;
}

}  // namespace vim::optim
