// Causal convolution on the GPU: the parameters of kernels/causal_conv1d.h with device pointers,
// and a stream.
#pragma once

#include <cstddef>

#include "kernels/causal_conv1d.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Whether the forward makes the projections, too (ConvDirection::projection): 16-bit storage,
/// width 4, SiLU, 384 channels, 48 columns, a projection and projected tokens for each direction,
/// and arrays that can be read in vectors. Results depend neither on the batch nor on the device.
bool causal_conv1d_forward_projects(const ConvParams& params);

/// Computes out of every direction, the same bits with columns and without, and projected where
/// there are columns. stream is a cudaStream_t; nothing is synchronised. Throws
/// std::invalid_argument for impossible sizes and for columns that
/// causal_conv1d_forward_projects() refuses, std::runtime_error if a launch fails. Deterministic,
/// bit for bit.
void causal_conv1d_forward(const ConvParams& params, void* stream);

/// Whether the backward takes a part of dout as a product (ConvBackwardParams::left): 16-bit
/// storage, width 4, channels a multiple of 64, depth a multiple of 8 to 64, and arrays that can be
/// read in vectors. Looks at everything but the workspace.
bool causal_conv1d_backward_multiplies(const ConvBackwardParams& params);

/// Bytes of device memory, 256-byte aligned, that the backward needs as params.workspace.
size_t causal_conv1d_backward_workspace_size(const ConvBackwardParams& params);

/// The CPU entries' two phases: dx and partial sums in the workspace; then dweight and dbias, maybe
/// on another stream. Errors and determinism as above.
void causal_conv1d_backward(const ConvBackwardParams& params, void* stream);
void causal_conv1d_backward_reduce(const ConvBackwardParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
