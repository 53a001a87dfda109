// The GPU as the folders above the kernels see it. Usable in every build: without libtorch_cuda no
// device is ever there, and the rest does nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace vim::cuda {

/// Whether this build links libtorch_cuda.
bool is_built();

/// Whether a device can be used: built in, a driver is there, and it has a device.
bool is_available();

/// The current device's name; empty without one.
std::string device_name();

/// Bytes of the current device: taken by tensors now, at most since reset_peak_memory, at most held
/// back by the caching allocator for them, and free and total as the driver says. 0 without a
/// device.
struct Memory {
  int64_t allocated = 0;
  int64_t peak_allocated = 0;
  int64_t peak_reserved = 0;
  int64_t free = 0;
  int64_t total = 0;
};

Memory memory();
void reset_peak_memory();

/// Waits until everything launched on the current device is done.
void synchronize();

/// Whether float matrix products may round their factors to TF32 (10 bits of mantissa). Off unless
/// asked for.
void allow_tf32(bool is_allowed);

/// Page-locked memory, which copies to the device without waiting; ordinary memory without a
/// device.
std::shared_ptr<uint8_t[]> allocate_pinned(size_t num_bytes);

/// While it lives, a stream other than the default one is the calling thread's current stream, as
/// capturing a graph needs. Begins and ends with synchronize(), so that work of other streams is
/// ordered with it. Does nothing without a device.
class StreamScope {
 public:
  StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;
  ~StreamScope();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vim::cuda
