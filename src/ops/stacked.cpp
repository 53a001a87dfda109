// On the CPU, batched products of 16-bit matrices are far slower than single ones.
#include "src/ops/stacked.h"

#include <ATen/ATen.h>

namespace vim::ops {
namespace {

bool can_view(const at::Tensor& first, const at::Tensor& second) {
  return first.is_alias_of(second) && first.is_contiguous() && second.is_contiguous() &&
         first.sizes() == second.sizes() &&
         second.storage_offset() - first.storage_offset() >= first.numel();
}

}  // namespace

at::Tensor stacked(const std::vector<at::Tensor>& tensors) {
  const at::NoGradGuard no_grad;
  const at::Tensor& first = tensors[0];
  if (tensors.size() == 1) {
    return first.unsqueeze(0);
  }
  if (tensors.size() != 2 || !can_view(first, tensors[1])) {
    return at::stack(tensors);
  }
  std::vector<int64_t> sizes = first.sizes().vec();
  std::vector<int64_t> strides = first.strides().vec();
  sizes.insert(sizes.begin(), 2);
  strides.insert(strides.begin(), tensors[1].storage_offset() - first.storage_offset());
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
