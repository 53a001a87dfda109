// Cross-entropy on the GPU: the parameters of kernels/cross_entropy.h with device pointers, and a
// stream.
#pragma once

#include "kernels/cross_entropy.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Computes loss and dlogits of all rows. stream is a cudaStream_t; nothing is synchronised. Labels
/// are not checked. Throws std::invalid_argument for impossible sizes and std::runtime_error if the
/// launch fails. Deterministic, bit for bit.
void cross_entropy(const CrossEntropyParams& params, void* stream);

/// Adds the losses in a fixed order, in double. Errors and determinism as above.
void loss_sum(const LossSumParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
