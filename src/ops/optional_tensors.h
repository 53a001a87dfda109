// LibTorch's autograd nodes accept no undefined tensors. Optional inputs therefore travel as
// std::optional, or, in lists, as the defined ones together with their places.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace vim::ops {

/// Nothing for an undefined tensor, and back.
std::optional<at::Tensor> to_optional(const at::Tensor& tensor);
at::Tensor from_optional(const std::optional<at::Tensor>& tensor);

/// Places of the defined tensors of a list.
std::vector<int64_t> defined_places(at::TensorList tensors);

/// The tensors at these places, in order.
std::vector<at::Tensor> gather(at::TensorList tensors, const std::vector<int64_t>& places);

/// A list of `size` tensors with the given ones at their places and undefined ones elsewhere.
std::vector<at::Tensor> scatter(
    at::TensorList tensors, const std::vector<int64_t>& places, size_t size);

}  // namespace vim::ops
