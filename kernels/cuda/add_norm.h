// Add+norm on the GPU: the parameters of kernels/add_norm.h with device pointers, and a stream.
#pragma once

#include <cstddef>

#include "kernels/add_norm.h"

namespace vim::kernels {

/// Computes out and residual_out of all rows. stream is a cudaStream_t; nothing is synchronised.
/// Throws std::invalid_argument for impossible sizes and std::runtime_error if a launch fails.
/// Deterministic, bit for bit.
void add_norm_forward_cuda(const AddNormParams& params, void* stream);

/// Bytes of device memory, 64-byte aligned, that the backward needs as params.workspace.
size_t add_norm_backward_workspace_size_cuda(const AddNormBackwardParams& params);

/// Computes dx, dv, dweight and dbias: both phases of the CPU entries. Errors and determinism as
/// above.
void add_norm_backward_cuda(const AddNormBackwardParams& params, void* stream);

}  // namespace vim::kernels
