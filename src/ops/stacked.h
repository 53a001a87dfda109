// Equal work on the tensors of both directions as one batched product.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace vim::ops {

/// The tensors, of equal shapes, as one with a leading dimension: a view if there is one tensor, or
/// if they lie equally far apart in one storage in this order, as those of a parameter store do;
/// else a copy. Not differentiable.
at::Tensor stacked(const std::vector<at::Tensor>& tensors);

/// out[i] = left[i] * right[i]; out may be a strided view. One launch on a GPU.
void batched_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& out);

/// out[i] += left[i] * right[i].
void add_batched_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& out);

}  // namespace vim::ops
