#include "apps/bench_arrays.h"

#include "kernels/storage.h"

namespace vim::apps {
namespace {

void* element(const TokenArray& array, int64_t channel) {
  return static_cast<char*>(array.data) + channel * dtype_bytes(array.dtype);
}

}  // namespace

kernels::TokenView TokenArray::view(int64_t first_channel) const {
  return {element(*this, first_channel), seqlen * row, row};
}

kernels::MutableTokenView TokenArray::mutable_view(int64_t first_channel) const {
  return {element(*this, first_channel), seqlen * row, row};
}

int64_t dtype_bytes(kernels::DType dtype) { return dtype == kernels::DType::kFloat32 ? 4 : 2; }

BenchArrays::~BenchArrays() {
  for (void* memory : memory_) device_.release(memory);
}

// SplitMix64 (Steele, Lea & Flood 2014).
uint64_t BenchArrays::next() {
  uint64_t bits = (state_ += 0x9E3779B97F4A7C15ULL);
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ULL;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL;
  return bits ^ (bits >> 31);
}

void* BenchArrays::random(kernels::DType dtype, int64_t count, Uniform values) {
  void* result = nullptr;
  kernels::visit_dtype(dtype, [&](auto storage) {
    using Storage = decltype(storage);
    std::vector<Storage> host(static_cast<size_t>(count));
    for (Storage& value : host) {
      const float unit = static_cast<float>(next() >> 40) * 0x1p-24F;
      value = kernels::from_float<Storage>(values.low + (values.high - values.low) * unit);
    }
    result = upload(host);
  });
  return result;
}

float* BenchArrays::random_floats(int64_t count, Uniform values) {
  return static_cast<float*>(random(kernels::DType::kFloat32, count, values));
}

void* BenchArrays::allocate(size_t bytes) {
  if (bytes == 0) {
    return nullptr;
  }
  memory_.push_back(device_.allocate(bytes));
  return memory_.back();
}

float* BenchArrays::floats(int64_t count) {
  return static_cast<float*>(allocate(static_cast<size_t>(count) * sizeof(float)));
}

TokenArray BenchArrays::random_tokens(TokenArray shape, int64_t batch, Uniform values) {
  shape.data = random(shape.dtype, batch * shape.seqlen * shape.row, values);
  return shape;
}

TokenArray BenchArrays::tokens(TokenArray shape, int64_t batch) {
  const int64_t bytes = batch * shape.seqlen * shape.row * dtype_bytes(shape.dtype);
  shape.data = allocate(static_cast<size_t>(bytes));
  return shape;
}

}  // namespace vim::apps
