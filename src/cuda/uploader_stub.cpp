// Builds without libtorch_cuda: host to host.
#include <ATen/ATen.h>

#include "src/cuda/uploader.h"

namespace vim::cuda {

struct Uploader::Impl {};

Uploader::Uploader() = default;
Uploader::~Uploader() = default;

void Uploader::upload(const std::vector<at::Tensor>& host, const std::vector<at::Tensor>& targets) {
  for (size_t i = 0; i < host.size(); ++i) {
    targets[i].copy_(host[i]);
  }
}

}  // namespace vim::cuda
