// Errors of the CUDA runtime as exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Throws std::runtime_error with CUDA's text unless error is cudaSuccess; `what` says what was
/// tried.
void check_cuda(cudaError_t error, const char* what);

/// Throws std::runtime_error with the kernel's name and CUDA's text if the launch just made failed.
/// Costs no synchronisation: errors during execution appear at a later call.
void check_launch(const char* kernel);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
