// The emulated device's memory is the host's, in blocks of their own.
#include "tests/support/kernel_device.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace vim::tests {
namespace {

void* allocate(size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, bytes) != 0) {
    throw std::bad_alloc();
  }
  return memory;
}

void copy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

}  // namespace

const KernelDevice& emulated_device() {
  static const KernelDevice device{
      "emulated", kernels::emulated::entries(), allocate, std::free, copy, copy};
  return device;
}

DeviceArena::~DeviceArena() {
  for (const Mirror& mirror : mirrors_) {
    device_.release(mirror.device);
  }
}

void* DeviceArena::mirror(void* host, size_t bytes, bool comes_back) {
  if (host == nullptr || bytes == 0) {
    return nullptr;
  }
  mirrors_.push_back({host, device_.allocate(bytes), bytes, comes_back});
  device_.copy_in(mirrors_.back().device, host, bytes);
  return mirrors_.back().device;
}

void* DeviceArena::workspace(size_t bytes) {
  std::vector<unsigned char> garbage(bytes, 0xFF);
  return mirror(garbage.data(), bytes, false);
}

void DeviceArena::download_all() {
  for (const Mirror& mirror : mirrors_) {
    if (mirror.comes_back) {
      device_.copy_out(mirror.host, mirror.device, mirror.bytes);
    }
  }
}

}  // namespace vim::tests
