// The convolution's forward with its small projection, for causal_conv1d.cu.
#pragma once

#include <cstdint>

#include "kernels/causal_conv1d.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kProjectSteps = 8;           // of a round: whole rounds to a chunk
inline constexpr int kProjectPartChannels = 128;  // of a warp

/// Division of the work; a block takes two walks, a chunk each, of one direction.
struct ConvProjectGrid {
  int64_t num_walks = 0;    // batch * num_chunks, counted in 32 bits
  unsigned num_chunks = 0;  // of a sequence
  int chunk_steps = 0;      // of a chunk, whole rounds; the last one may be shorter
};

/// Launches the kernel. The parameters are checked, and causal_conv1d_forward_projects holds.
void launch_conv_projection(const ConvParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
