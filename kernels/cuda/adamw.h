// AdamW on the GPU: the parameters of kernels/adamw.h with device pointers, and a stream.
#pragma once

#include "kernels/adamw.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Updates all elements. stream is a cudaStream_t; nothing is synchronised. Throws
/// std::invalid_argument for impossible sizes and std::runtime_error if the launch fails.
/// Deterministic, bit for bit.
void adamw(const AdamWParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
