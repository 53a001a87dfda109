// The ops' way to the emulated kernels.
#pragma once

#include "kernels/cuda/entries.h"
#include "src/ops/device_call.h"

namespace vim::test {

/// While it lives, tensors on the CPU go through the emulated CUDA kernels.
class EmulatedOps {
 public:
  EmulatedOps() { ops::override_device_entries(&kernels::emulated::entries()); }
  EmulatedOps(const EmulatedOps&) = delete;
  EmulatedOps& operator=(const EmulatedOps&) = delete;
  ~EmulatedOps() { ops::override_device_entries(nullptr); }
};

}  // namespace vim::test
