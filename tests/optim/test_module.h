// A module whose parameters are given by name and value, for tests of the optimizer.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <string>
#include <utility>
#include <vector>

namespace vim::test {

/// Registers the tensors as parameters in the given order; dots in a name make submodules.
class NamedParameters : public torch::nn::Module {
 public:
  explicit NamedParameters(const std::vector<std::pair<std::string, at::Tensor>>& parameters);

 private:
  void add(const std::string& name, const at::Tensor& value);
};

}  // namespace vim::test
