// The GPU for kernel tests.
#include <cuda_runtime_api.h>

#include <stdexcept>

#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

void check(cudaError_t error) {
  if (error != cudaSuccess) {
    throw std::runtime_error(cudaGetErrorString(error));
  }
}

void* allocate(size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes));
  return memory;
}

void release(void* memory) { cudaFree(memory); }

void copy_in(void* to, const void* host, size_t bytes) {
  check(cudaMemcpy(to, host, bytes, cudaMemcpyHostToDevice));
}

void copy_out(void* host, const void* from, size_t bytes) {
  check(cudaDeviceSynchronize());
  check(cudaMemcpy(host, from, bytes, cudaMemcpyDeviceToHost));
}

}  // namespace

const KernelDevice* cuda_device() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    WARN("SKIP: no CUDA device");
    return nullptr;
  }
  static const KernelDevice device{
      "cuda", kernels::cuda::entries(), allocate, release, copy_in, copy_out};
  return &device;
}

}  // namespace vim::tests
