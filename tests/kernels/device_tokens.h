// Token arrays in a device's memory.
#pragma once

#include "tests/kernels/kernel_buffers.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {

/// A device copy of the array; comes_back: DeviceArena::download_all brings it back.
inline void* upload(DeviceArena& arena, TokenArray& array, bool comes_back = false) {
  const size_t bytes = array.words().size() * sizeof(uint32_t);
  if (comes_back) {
    return arena.upload(static_cast<uint32_t*>(array.mutable_view().data), bytes);
  }
  return const_cast<uint32_t*>(arena.upload(array.words().data(), bytes));
}

}  // namespace vim::tests
