// Initialisers with PyTorch's and timm's laws, drawing from an explicit CPU generator.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace vim::nn {

/// Fills the tensor with U(-bound, bound).
void init_uniform(const at::Tensor& tensor, double bound, at::Generator& generator);

/// The law of PyTorch's Linear and Conv weights: U(+-1/sqrt(fan_in)), its bound computed as
/// kaiming_uniform(a = sqrt(5)) computes it.
void init_kaiming_uniform(const at::Tensor& tensor, int64_t fan_in, at::Generator& generator);

/// timm's trunc_normal_: a normal with absolute cut-offs at -2 and 2, by inverse erf of a uniform
/// draw.
void init_truncated_normal(const at::Tensor& tensor, double std, at::Generator& generator);

}  // namespace vim::nn
