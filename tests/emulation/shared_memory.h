// The dynamic shared memory of the running block, with guards on both sides.
#pragma once

#include <cstddef>
#include <memory>

namespace emulation {

class SharedMemory {
 public:
  /// Makes it exactly `bytes` long.
  void resize(size_t bytes);

  /// Fills it with words that are NaN as float, bfloat16 and binary16 and far out as an index, and
  /// the guards with theirs.
  void poison();

  /// False if a guard was written to. Under the address sanitizer the access itself is reported.
  bool guards_intact() const;

  void* data() const { return data_; }

  ~SharedMemory();

 private:
  void open_guards();

  std::unique_ptr<char[]> memory_;
  char* data_ = nullptr;  // aligned to 128 bytes
  size_t bytes_ = 0;
};

}  // namespace emulation
