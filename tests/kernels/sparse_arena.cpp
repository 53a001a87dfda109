#include "tests/kernels/sparse_arena.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "tests/support/catch.h"

namespace vim::tests {
namespace {

constexpr size_t kStagingBytes = size_t{64} << 20;

void check(cudaError_t error) {
  if (error != cudaSuccess) {
    throw std::runtime_error(cudaGetErrorString(error));
  }
}

}  // namespace

SparseArena::SparseArena(int64_t num_samples, std::vector<int64_t> places)
    : num_samples_(static_cast<size_t>(num_samples)), places_(std::move(places)) {
  void* staging = nullptr;
  check(cudaMallocHost(&staging, kStagingBytes));
  staging_ = static_cast<uint32_t*>(staging);
}

SparseArena::~SparseArena() {
  for (void* memory : memory_) {
    cudaFree(memory);
  }
  cudaFreeHost(staging_);
}

bool SparseArena::has_room(size_t bytes) {
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total));
  if (free < bytes) {
    WARN("SKIP: needs " << (bytes >> 30) << " GiB of GPU memory, " << (free >> 30) << " are free");
  }
  return free >= bytes;
}

void* SparseArena::allocate(size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes));
  memory_.push_back(memory);
  return memory;
}

void* SparseArena::unwritten(size_t bytes) {
  void* memory = allocate(bytes);
  check(cudaMemset(memory, 0xFF, bytes));
  return memory;
}

void* SparseArena::copy(const void* host, size_t bytes) {
  void* memory = allocate(bytes);
  check(cudaMemcpy(memory, host, bytes, cudaMemcpyHostToDevice));
  return memory;
}

void* SparseArena::spread(const void* host, size_t sample_bytes) {
  auto* memory = static_cast<char*>(allocate(num_samples_ * sample_bytes));
  check(cudaMemset(memory, 0, num_samples_ * sample_bytes));
  const auto* from = static_cast<const char*>(host);
  for (const int64_t place : places_) {
    char* to = memory + static_cast<size_t>(place) * sample_bytes;
    check(cudaMemcpy(to, from, sample_bytes, cudaMemcpyHostToDevice));
    from += sample_bytes;
  }
  return memory;
}

void SparseArena::gather(const void* device, void* host, size_t sample_bytes) const {
  check(cudaDeviceSynchronize());
  auto* to = static_cast<char*>(host);
  for (const int64_t place : places_) {
    const char* from = static_cast<const char*>(device) + static_cast<size_t>(place) * sample_bytes;
    check(cudaMemcpy(to, from, sample_bytes, cudaMemcpyDeviceToHost));
    to += sample_bytes;
  }
}

bool SparseArena::others_are_zero(
    const void* device, size_t sample_bytes, uint32_t sign_bits) const {
  check(cudaDeviceSynchronize());
  std::vector<int64_t> ends = places_;
  ends.push_back(static_cast<int64_t>(num_samples_));
  size_t begin = 0;
  for (const int64_t end : ends) {
    const char* from = static_cast<const char*>(device) + begin * sample_bytes;
    if (!is_zero(from, (static_cast<size_t>(end) - begin) * sample_bytes, sign_bits)) {
      return false;
    }
    begin = static_cast<size_t>(end) + 1;
  }
  return true;
}

// Samples are whole numbers of four-byte words.
bool SparseArena::is_zero(const char* device, size_t bytes, uint32_t sign_bits) const {
  for (size_t done = 0; done < bytes; done += kStagingBytes) {
    const size_t piece = std::min(kStagingBytes, bytes - done);
    check(cudaMemcpy(staging_, device + done, piece, cudaMemcpyDeviceToHost));
    const bool are_zero = std::all_of(staging_, staging_ + piece / 4, [sign_bits](uint32_t word) {
      return (word & ~sign_bits) == 0;
    });
    if (!are_zero) {
      return false;
    }
  }
  return true;
}

}  // namespace vim::tests
