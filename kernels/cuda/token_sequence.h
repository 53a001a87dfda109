// Patches and tokens on the GPU: the parameters of kernels/token_sequence.h with device pointers,
// and a stream.
#pragma once

#include "kernels/cuda/namespace.h"
#include "kernels/token_sequence.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Writes out. stream is a cudaStream_t; nothing is synchronised. Channels that are a multiple of 8
/// and arrays aligned to 16 bytes are fast. Throws std::invalid_argument for impossible sizes and
/// std::runtime_error if the launch fails. Gives the bits of the CPU entry.
void token_sequence(const TokenSequenceParams& params, void* stream);

/// Writes dpatches; everything else as above.
void token_sequence_backward(const TokenSequenceBackwardParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
