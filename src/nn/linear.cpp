// Parameters and forward of the linear layer; the products are ops::linear's.
#include "src/nn/linear.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/nn/init.h"

namespace vim::nn {

LinearImpl::LinearImpl(const LinearOptions& options) {
  weight = register_parameter("weight", at::zeros({options.out_features, options.in_features}));
  if (options.has_bias) {
    bias = register_parameter("bias", at::zeros({options.out_features}));
  }
}

void LinearImpl::reset_parameters(at::Generator& generator) {
  const int64_t fan_in = weight.size(1);
  init_kaiming_uniform(weight, fan_in, generator);
  if (bias.defined()) {
    init_uniform(bias, 1.0 / std::sqrt(static_cast<double>(fan_in)), generator);
  }
}

at::Tensor LinearImpl::forward(const at::Tensor& input) {
  return ops::linear(input, op_weight(), bias);
}

}  // namespace vim::nn
