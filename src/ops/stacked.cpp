// On the CPU, batched products of 16-bit matrices are far slower than single ones.
#include "src/ops/stacked.h"

#include <ATen/ATen.h>

namespace vim::ops {
namespace {

// Elements from each tensor to the next where that is the same for all and none overlap; else 0.
int64_t common_step(const std::vector<at::Tensor>& tensors) {
  const at::Tensor& first = tensors[0];
  const int64_t step = tensors[1].storage_offset() - first.storage_offset();
  int64_t span = 1;
  for (int64_t i = 0; i < first.dim(); ++i) {
    span += (first.size(i) - 1) * first.stride(i);
  }
  for (size_t i = 1; i < tensors.size(); ++i) {
    const auto offset = static_cast<int64_t>(i) * step;
    const bool fits = tensors[i].is_alias_of(first) && tensors[i].sizes() == first.sizes() &&
                      tensors[i].strides() == first.strides() &&
                      tensors[i].storage_offset() == first.storage_offset() + offset;
    if (!fits) {
      return 0;
    }
  }
  return step >= span ? step : 0;
}

}  // namespace

at::Tensor stacked(const std::vector<at::Tensor>& tensors) {
  const at::NoGradGuard no_grad;
  const at::Tensor& first = tensors[0];
  if (tensors.size() == 1) {
    return first.unsqueeze(0);
  }
  const int64_t step = common_step(tensors);
  if (step == 0) {
    return at::stack(tensors);
  }
  std::vector<int64_t> sizes = first.sizes().vec();
  std::vector<int64_t> strides = first.strides().vec();
  sizes.insert(sizes.begin(), static_cast<int64_t>(tensors.size()));
  strides.insert(strides.begin(), step);
  return first.as_strided(sizes, strides, first.storage_offset());
}

void batched_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& out) {
  if (left.is_cuda() && left.size(0) > 1) {
    at::Tensor result = out;
    at::bmm_out(result, left, right);
    return;
  }
  for (int64_t i = 0; i < left.size(0); ++i) {
    at::Tensor result = out[i];
    at::mm_out(result, left[i], right[i]);
  }
}

void add_batched_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& out) {
  if (left.is_cuda() && left.size(0) > 1) {
    at::Tensor result = out;
    result.baddbmm_(left, right);
    return;
  }
  for (int64_t i = 0; i < left.size(0); ++i) {
    out[i].addmm_(left[i], right[i]);
  }
}

}  // namespace vim::ops
