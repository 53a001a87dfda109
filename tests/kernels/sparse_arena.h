// Arrays on the GPU that are too long to be made on the host: of their samples a few come from
// there, all others are 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vim::tests {

class SparseArena {
 public:
  /// Arrays of num_samples samples. `places`, in rising order, are those that host arrays hold, one
  /// after the other.
  SparseArena(int64_t num_samples, std::vector<int64_t> places);
  ~SparseArena();
  SparseArena(const SparseArena&) = delete;
  SparseArena& operator=(const SparseArena&) = delete;

  /// True if the GPU has `bytes` free; otherwise says SKIP out loud.
  static bool has_room(size_t bytes);

  /// A long array with the host's samples at their places and 0 elsewhere.
  void* spread(const void* host, size_t sample_bytes);

  /// A long array of 0xFF bytes, NaN in every storage type, for results.
  void* results(size_t sample_bytes) { return unwritten(num_samples_ * sample_bytes); }

  /// A device copy of an array that is not cut into samples.
  void* copy(const void* host, size_t bytes);

  /// Memory of 0xFF bytes.
  void* unwritten(size_t bytes);

  /// Copies the samples at the places to the host, after all launches have ended.
  void gather(const void* device, void* host, size_t sample_bytes) const;

  /// True if all other samples are 0 or -0. sign_bits: those of four bytes of the storage type.
  bool others_are_zero(const void* device, size_t sample_bytes, uint32_t sign_bits) const;

  static constexpr uint32_t kFloatSign = 0x80000000U;
  static constexpr uint32_t kHalfSigns = 0x80008000U;

 private:
  void* allocate(size_t bytes);
  bool is_zero(const char* device, size_t bytes, uint32_t sign_bits) const;

  size_t num_samples_;
  std::vector<int64_t> places_;
  std::vector<void*> memory_;
  uint32_t* staging_ = nullptr;  // page-locked
};

}  // namespace vim::tests
