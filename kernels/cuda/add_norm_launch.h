// What the launches of add+norm's forward and backward share: checks, and the choice of kernel.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "kernels/add_norm.h"
#include "kernels/cuda/plan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Throws std::invalid_argument for sizes that make no sense.
void check_add_norm(const AddNormParams& params);

/// True if rows are held in registers: at most 1024 channels, a multiple of four, and every present
/// array on the 16-byte grid.
bool holds_rows(int64_t dim, std::initializer_list<const void*> arrays);

/// Calls f(NormTile) with the smallest tile that holds dim channels. 192, 384 and 768, the widths
/// of the published models, fill theirs.
template <typename F>
void visit_norm_tile(int64_t dim, F f) {
  if (dim <= NormTile<16, 3>::kMaxDim) {
    f(NormTile<16, 3>{});
  } else if (dim <= NormTile<32, 3>::kMaxDim) {
    f(NormTile<32, 3>{});
  } else if (dim <= NormTile<32, 6>::kMaxDim) {
    f(NormTile<32, 6>{});
  } else {
    f(NormTile<32, 8>{});
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
