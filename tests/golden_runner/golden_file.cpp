// Layouts and leaves.
#include "tests/golden_runner/golden_file.h"

#include <ATen/ATen.h>

#include "tests/golden_runner/backend.h"

namespace vim::golden {

GoldenFile load_golden(const std::filesystem::path& path) {
  GoldenFile golden = test::load_golden(path);
  for (auto& [name, tensor] : golden.tensors) {
    tensor = tensor.to(device());
  }
  return golden;
}

at::Tensor to_tokens(const at::Tensor& channel_first) {
  return channel_first.defined() ? channel_first.transpose(1, 2).contiguous() : channel_first;
}

at::Tensor from_tokens(const at::Tensor& tokens) { return to_tokens(tokens); }

at::Tensor leaf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().clone().set_requires_grad(true) : tensor;
}

}  // namespace vim::golden
