// Add+norm on the GPU: the parameters of kernels/add_norm.h with device pointers, and a stream.
#pragma once

#include <cstddef>

#include "kernels/add_norm.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Computes out and residual_out of all rows. stream is a cudaStream_t; nothing is synchronised.
/// Rows with a multiple of four channels, at most 1024, and all arrays 16-byte aligned are fast.
/// Throws std::invalid_argument for impossible sizes and std::runtime_error if a launch fails.
/// Deterministic, bit for bit. With the same alignment of its arrays, a call with v as a float x
/// and no residual writes the very out that the call which made v wrote.
void add_norm_forward(const AddNormParams& params, void* stream);

/// Bytes of device memory, 64-byte aligned, that the backward needs as params.workspace.
size_t add_norm_backward_workspace_size(const AddNormBackwardParams& params);

/// The CPU entries' two phases: dx, dv and partial sums in the workspace; then dweight and dbias,
/// maybe on another stream. Errors and determinism as above; nothing depends on the device's number
/// of multiprocessors.
void add_norm_backward(const AddNormBackwardParams& params, void* stream);
void add_norm_backward_reduce(const AddNormBackwardParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
