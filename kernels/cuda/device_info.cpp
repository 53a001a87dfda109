// Attributes, asked for once: the devices of a host are taken to be of one kind.
#include "kernels/cuda/device_info.h"

#include <cuda_runtime_api.h>

#include "kernels/cuda/check.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

int attribute_of_device(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute");
  return value;
}

}  // namespace

int64_t num_multiprocessors() {
  static const int64_t count = attribute_of_device(cudaDevAttrMultiProcessorCount);
  return count;
}

bool launches_early() {
  static const bool is_allowed = attribute_of_device(cudaDevAttrComputeCapabilityMajor) >= 9;
  return is_allowed;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
