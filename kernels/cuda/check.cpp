// Texts of CUDA launch errors.
#include "kernels/cuda/check.h"

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace vim::kernels {

void check_cuda_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) {
    return;
  }
  throw std::runtime_error(
      std::string("cuda: launch of ") + kernel + " failed: " + cudaGetErrorString(error));
}

}  // namespace vim::kernels
