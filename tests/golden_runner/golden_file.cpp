// Layouts and leaves.
#include "tests/golden_runner/golden_file.h"

#include <ATen/ATen.h>

namespace vim::golden {

at::Tensor to_tokens(const at::Tensor& channel_first) {
  return channel_first.defined() ? channel_first.transpose(1, 2).contiguous() : channel_first;
}

at::Tensor from_tokens(const at::Tensor& tokens) { return to_tokens(tokens); }

at::Tensor leaf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().clone().set_requires_grad(true) : tensor;
}

}  // namespace vim::golden
