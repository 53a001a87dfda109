// Where a kernel test runs its CUDA entries: on the GPU as nvcc built them, or on the host as the
// emulation runs the same sources. A test written over KernelDevice serves both.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "kernels/cuda/entries.h"

namespace vim::tests {

/// The entries of one device, and its memory.
struct KernelDevice {
  const char* name;  // "cuda" or "emulated"
  const kernels::DeviceEntries& entries;
  void* (*allocate)(size_t bytes);  // aligned to 256 bytes
  void (*release)(void* memory);
  void (*copy_in)(void* to, const void* host, size_t bytes);
  void (*copy_out)(void* host, const void* from, size_t bytes);  // after all launches have ended
};

/// The emulation; always there.
const KernelDevice& emulated_device();

/// The GPU, or null, said out loud as SKIP, where there is none. Only in programs that link
/// cuda_device.cpp.
const KernelDevice* cuda_device();

/// Mirrors of host buffers in a device's memory, each exactly as long as its host buffer so that
/// the address sanitizer sees an access beyond it.
class DeviceArena {
 public:
  explicit DeviceArena(const KernelDevice& device) : device_(device) {}
  ~DeviceArena();
  DeviceArena(const DeviceArena&) = delete;
  DeviceArena& operator=(const DeviceArena&) = delete;

  /// Returns a device copy; null for a null or empty host buffer. A buffer that is not const comes
  /// back with download_all.
  template <typename T>
  T* upload(T* host, size_t bytes) {
    return static_cast<T*>(mirror(const_cast<std::remove_const_t<T>*>(host), bytes, !kIsConst<T>));
  }
  template <typename T>
  T* upload(std::vector<T>& host) {
    return upload(host.data(), host.size() * sizeof(T));
  }
  template <typename T>
  const T* upload(const std::vector<T>& host) {
    return upload(host.data(), host.size() * sizeof(T));
  }

  /// Device memory filled with 0xFF bytes (NaN as float); null for 0 bytes.
  void* workspace(size_t bytes);

  /// Copies every buffer that is not const back to its host buffer.
  void download_all();

 private:
  template <typename T>
  static constexpr bool kIsConst = std::is_const_v<T>;

  struct Mirror {
    void* host;
    void* device;
    size_t bytes;
    bool comes_back;
  };

  void* mirror(void* host, size_t bytes, bool comes_back);

  const KernelDevice& device_;
  std::vector<Mirror> mirrors_;
};

}  // namespace vim::tests
