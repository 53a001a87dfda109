// The image batch on the GPU: the parameters of kernels/image_batch.h with device pointers, `mix`
// and `boxes` among them, and a stream.
#pragma once

#include "kernels/cuda/namespace.h"
#include "kernels/image_batch.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Writes the whole batch. stream is a cudaStream_t; nothing is synchronised. Three channels, and
/// widths, strides, patch sizes and addresses that are multiples of 8 (16 bytes for out) are fast.
/// Partners and boxes lie on the device and are not checked: the caller keeps them inside the
/// batch. Throws std::invalid_argument for impossible sizes and std::runtime_error if the launch
/// fails. Gives the bits of the CPU entry.
void image_batch(const ImageBatchParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
