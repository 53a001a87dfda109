// Texts of CUDA errors.
#include "kernels/cuda/check.h"

#include <stdexcept>
#include <string>

namespace vim::kernels::VIM_CUDA_NAMESPACE {

void check_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(
        std::string("cuda: ") + what + " failed: " + cudaGetErrorString(error));
  }
}

void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) {
    check_cuda(error, (std::string("launch of ") + kernel).c_str());
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
