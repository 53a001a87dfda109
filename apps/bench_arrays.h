// The arrays of one op in a device's memory, random or for results.
#pragma once

#include <vector>

#include "apps/bench_device.h"
#include "kernels/types.h"

namespace vim::apps {

/// Random values are uniform in [low, high).
struct Uniform {
  float low = -1.0F;
  float high = 1.0F;
};

/// (batch, seqlen, row) tokens, of which views take channels from some column on.
struct TokenArray {
  void* data = nullptr;
  kernels::DType dtype = kernels::DType::kFloat32;
  int64_t seqlen = 0;
  int64_t row = 0;

  kernels::TokenView view(int64_t first_channel = 0) const;
  kernels::MutableTokenView mutable_view(int64_t first_channel = 0) const;
};

/// Bytes of one element.
int64_t dtype_bytes(kernels::DType dtype);

/// Owns memory of a device. Random arrays depend on the seed and the order of the calls alone.
class BenchArrays {
 public:
  BenchArrays(BenchDevice& device, uint64_t seed) : device_(device), state_(seed) {}
  ~BenchArrays();
  BenchArrays(const BenchArrays&) = delete;
  BenchArrays& operator=(const BenchArrays&) = delete;

  void* random(kernels::DType dtype, int64_t count, Uniform values);
  float* random_floats(int64_t count, Uniform values);

  /// Random integers in [0, end).
  template <typename T>
  std::vector<T> random_integers(int64_t count, uint64_t end) {
    std::vector<T> values(static_cast<size_t>(count));
    for (T& value : values) value = static_cast<T>(next() % end);
    return values;
  }

  template <typename T>
  T* upload(const std::vector<T>& values) {
    void* memory = allocate(values.size() * sizeof(T));
    device_.upload(memory, values.data(), values.size() * sizeof(T));
    return static_cast<T*>(memory);
  }

  /// Memory for results and workspaces; null for 0 bytes.
  void* allocate(size_t bytes);
  float* floats(int64_t count);

  TokenArray random_tokens(TokenArray shape, int64_t batch, Uniform values);
  TokenArray tokens(TokenArray shape, int64_t batch);

 private:
  uint64_t next();

  BenchDevice& device_;
  uint64_t state_;
  std::vector<void*> memory_;
};

}  // namespace vim::apps
