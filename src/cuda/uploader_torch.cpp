// Two slots: one is filled by the side stream while the computation still reads the other.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>

#include <array>
#include <cstring>

#include "src/cuda/device.h"
#include "src/cuda/profile_range.h"
#include "src/cuda/uploader.h"

namespace vim::cuda {
namespace {

struct Slot {
  std::vector<at::Tensor> pinned;   // page-locked copies of host tensors that are not
  std::vector<at::Tensor> staging;  // on the device
  at::cuda::CUDAEvent copied;       // the side stream has filled the staging
  at::cuda::CUDAEvent consumed;     // the computation has read it
};

void allocate(Slot& slot, const std::vector<at::Tensor>& host, const at::Device& device) {
  for (const at::Tensor& tensor : host) {
    const at::TensorOptions like = at::TensorOptions().dtype(tensor.scalar_type());
    slot.pinned.push_back(
        tensor.is_pinned() ? at::Tensor() : at::empty(tensor.sizes(), like.pinned_memory(true)));
    slot.staging.push_back(at::empty(tensor.sizes(), like.device(device)));
  }
}

}  // namespace

struct Uploader::Impl {
  c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  std::array<Slot, 2> slots;
  size_t next = 0;

  void fill(Slot& slot, const std::vector<at::Tensor>& host) {
    const c10::cuda::CUDAStreamGuard guard(side);
    slot.consumed.block(side);
    for (size_t i = 0; i < host.size(); ++i) {
      const at::Tensor& pinned = slot.pinned[i];
      if (pinned.defined()) {
        pinned.copy_(host[i]);
      }
      slot.staging[i].copy_(pinned.defined() ? pinned : host[i], /*non_blocking=*/true);
    }
    slot.copied.record(side);
  }
};

Uploader::Uploader() = default;

Uploader::~Uploader() {
  if (impl_) {
    synchronize();  // the slots' memory may still be in use
  }
}

void Uploader::upload(const std::vector<at::Tensor>& host, const std::vector<at::Tensor>& targets) {
  if (host.empty() || !targets[0].is_cuda()) {
    for (size_t i = 0; i < host.size(); ++i) {
      targets[i].copy_(host[i]);
    }
    return;
  }
  const ProfileRange range("upload");
  if (!impl_) {
    impl_ = std::make_unique<Impl>();
  }
  Slot& slot = impl_->slots[impl_->next];
  impl_->next = 1 - impl_->next;
  const c10::cuda::CUDAStream compute = c10::cuda::getCurrentCUDAStream();
  if (slot.staging.empty()) {
    allocate(slot, host, targets[0].device());
    compute.synchronize();  // the memory may have been another tensor's on this stream
  }
  impl_->fill(slot, host);
  slot.copied.block(compute);
  for (size_t i = 0; i < host.size(); ++i) {
    targets[i].copy_(slot.staging[i], /*non_blocking=*/true);
  }
  slot.consumed.record(compute);
  slot.copied.synchronize();
}

}  // namespace vim::cuda
