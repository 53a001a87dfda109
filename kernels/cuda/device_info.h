// What launches ask of the current device.
#pragma once

#include <cstdint>

#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

int64_t num_multiprocessors();

/// Whether a launch may take place while the kernel before it still runs: from compute capability
/// 9.0 on.
bool launches_early();

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
