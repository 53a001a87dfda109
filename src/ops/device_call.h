// Where an op's kernels run: row kernels for tensors on the CPU, device entries on the current
// stream for tensors on a GPU.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

#include "kernels/cuda/entries.h"

namespace vim::ops {

/// For tests: from now on tensors on the CPU go to these entries (the emulated kernels) instead of
/// the row kernels; null ends that. Not to be called while an op runs.
void override_device_entries(const kernels::DeviceEntries* entries);

/// One op's launches on the device of a tensor. While it lives, that device is the current one.
/// Throws c10::Error for a GPU tensor in a build without CUDA kernels, or on another kind of
/// device.
class DeviceCall {
 public:
  explicit DeviceCall(const at::Tensor& tensor);

  /// Whether device entries run; otherwise the row kernels of the CPU are to be used.
  bool is_on_device() const { return entries_ != nullptr; }

  /// One of the device's entries, e.g. entry(&DeviceEntries::image_batch). Throws c10::Error for
  /// one that is not built.
  template <typename F>
  F* entry(F* kernels::DeviceEntries::*member) const {
    TORCH_CHECK(entries_->*member != nullptr, "this kernel has no device version yet");
    return entries_->*member;
  }

  /// The current stream of the device, as the entries take it.
  void* stream() const { return stream_; }

 private:
  c10::OptionalDeviceGuard guard_;
  const kernels::DeviceEntries* entries_ = nullptr;
  void* stream_ = nullptr;
};

}  // namespace vim::ops
