// Host tensors to device tensors with fixed addresses, beside the computation.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace vim::cuda {

class Uploader {
 public:
  Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;
  ~Uploader();

  /// Copies each host tensor to a staging buffer on a stream of its own, while earlier work of the
  /// current stream goes on, and lets the current stream then fill the targets from there. Returns
  /// as soon as the host tensors may be changed; waits at most for the copy and for the current
  /// stream to be one upload behind. Shapes and dtypes are equal pairwise and in every call.
  /// Without a device: copies.
  void upload(const std::vector<at::Tensor>& host, const std::vector<at::Tensor>& targets);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vim::cuda
