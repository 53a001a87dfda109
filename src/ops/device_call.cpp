// The stream comes from LibTorch's registry of devices, so nothing here links libtorch_cuda.
#include "src/ops/device_call.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <atomic>

namespace vim::ops {
namespace {

// Process-wide, like the choice of a CPU backend: tests run whole models through it.
std::atomic<const kernels::DeviceEntries*> cpu_override{nullptr};

const kernels::DeviceEntries& cuda_entries() {
#ifdef VIM_WITH_CUDA_KERNELS
  return kernels::cuda::entries();
#else
  TORCH_CHECK(false, "tensor on a GPU, but this build has no CUDA kernels; configure VIM_CUDA=ON");
#endif
}

}  // namespace

void override_device_entries(const kernels::DeviceEntries* entries) { cpu_override.store(entries); }

DeviceCall::DeviceCall(const at::Tensor& tensor) {
  const at::Device device = tensor.device();
  if (device.is_cpu()) {
    entries_ = cpu_override.load();
    return;
  }
  TORCH_CHECK(device.is_cuda(), "expected a tensor on the CPU or a CUDA device, got ", device);
  entries_ = &cuda_entries();
  guard_.reset_device(device);
  const c10::impl::VirtualGuardImpl devices(device.type());
  stream_ = devices.getStreamNativeHandle(devices.getStream(device));
}

}  // namespace vim::ops
