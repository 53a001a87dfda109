// Errors of the CUDA runtime as exceptions.
#pragma once

namespace vim::kernels {

/// Throws std::runtime_error with the kernel's name and CUDA's text if the launch just made failed.
/// Costs no synchronisation: errors during execution appear at a later call.
void check_cuda_launch(const char* kernel);

}  // namespace vim::kernels

/// To be written after every launch; VIM_LAUNCH contains it.
#define VIM_CUDA_CHECK_LAUNCH(kernel) ::vim::kernels::check_cuda_launch(kernel)
