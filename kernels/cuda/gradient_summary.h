// The gradient summary on the GPU: the parameters of kernels/gradient_summary.h with device
// pointers, and a stream.
#pragma once

#include "kernels/cuda/namespace.h"
#include "kernels/gradient_summary.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Bytes of workspace, aligned to 8, that gradient_summary needs for these parameters.
size_t gradient_summary_workspace_size(const GradientSummaryParams& params);

/// Writes the summary. Squares are summed in float in a thread, in double beyond it: a gradient
/// above 1e19 makes the norm infinite. stream is a cudaStream_t; nothing is synchronised. Throws
/// std::invalid_argument for impossible sizes and std::runtime_error if a launch fails.
/// Deterministic, bit for bit.
void gradient_summary(const GradientSummaryParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
