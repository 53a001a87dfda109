// One buffer for the largest block: guard, shared memory, guard.
#include "tests/emulation/shared_memory.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tests/emulation/sanitizer.h"

namespace emulation {
namespace {

constexpr size_t kAlignment = 128;
constexpr size_t kGuardBytes = 4096;
constexpr size_t kLargest = 227 << 10;
constexpr size_t kBufferBytes = kLargest + 2 * kGuardBytes + kAlignment;
constexpr uint32_t kPoison = 0x7FA57FA5U;
constexpr char kGuard = 0x5A;

}  // namespace

SharedMemory::~SharedMemory() {
  if (memory_ != nullptr) {
    open_guards();
  }
}

void SharedMemory::open_guards() { ASAN_UNPOISON_MEMORY_REGION(memory_.get(), kBufferBytes); }

void SharedMemory::resize(size_t bytes) {
  if (memory_ == nullptr) {
    memory_ = std::make_unique<char[]>(kBufferBytes);
  }
  open_guards();
  const auto start = reinterpret_cast<uintptr_t>(memory_.get()) + kGuardBytes;
  data_ = memory_.get() + kGuardBytes + (kAlignment - start % kAlignment) % kAlignment;
  bytes_ = bytes;
  std::memset(data_ - kGuardBytes, kGuard, kGuardBytes);
  std::memset(data_ + bytes_, kGuard, kGuardBytes);
  ASAN_POISON_MEMORY_REGION(data_ - kGuardBytes, kGuardBytes);
  ASAN_POISON_MEMORY_REGION(data_ + bytes_, kGuardBytes);
}

void SharedMemory::poison() {
  for (size_t at = 0; at < bytes_; at += sizeof(kPoison)) {
    std::memcpy(data_ + at, &kPoison, std::min(sizeof(kPoison), bytes_ - at));
  }
}

bool SharedMemory::guards_intact() const {
#ifdef VIM_EMULATION_ASAN
  return true;  // every access to them is reported, ours would be too
#else
  const auto is_guard = [](char byte) { return byte == kGuard; };
  return std::all_of(data_ - kGuardBytes, data_, is_guard) &&
         std::all_of(data_ + bytes_, data_ + bytes_ + kGuardBytes, is_guard);
#endif
}

}  // namespace emulation
