// A linear layer whose products run in the dtype of its input.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "src/ops/linear.h"

namespace vim::nn {

struct LinearOptions {
  int64_t in_features = 0;
  int64_t out_features = 0;
  bool has_bias = true;
};

/// weight: (out_features, in_features); bias: (out_features), undefined without one. Both float.
class LinearImpl : public torch::nn::Module {
 public:
  explicit LinearImpl(const LinearOptions& options);

  /// PyTorch's default: weight, then bias, U(+-1/sqrt(in_features)).
  void reset_parameters(at::Generator& generator);

  /// Returns input * weight^T + bias, (..., out_features), in input's dtype.
  at::Tensor forward(const at::Tensor& input);

  /// The weight as the ops take it.
  ops::Weight op_weight() const { return {weight, weight_shadow, gradient_mode}; }

  at::Tensor weight;
  at::Tensor bias;
  at::Tensor
      weight_shadow;  // weight in the compute dtype, owned by the parameter store; may be undefined
  at::Tensor gradient_mode;  // see ops/parameter_gradient.h; may be undefined
};
TORCH_MODULE(Linear);

}  // namespace vim::nn
