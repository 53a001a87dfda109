// Work whose intermediate results the backward computes again instead of keeping them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace vim::nn {

/// Differentiable work from tensors to tensors, some of them undefined; it gives the same bits
/// every time. Parameters that it uses need not be among its inputs: their gradients arrive as
/// usual.
using RecomputableWork =
    std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

/// Returns work(inputs), keeping only the inputs for the backward. At least one input must want a
/// gradient, or the parameters get none.
std::vector<at::Tensor> recomputed(
    const std::vector<at::Tensor>& inputs, const RecomputableWork& work);

}  // namespace vim::nn
