// Launches of the narrow products on tensors, for the backward of the projections: what
// kernels/narrow_products.h computes, for all directions at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "src/ops/parameter_gradient.h"

namespace vim::ops {

/// wide: (directions, rows, channels); narrow, out: (directions, rows, columns), maybe views of
/// wider rows; weight: (directions, channels, columns), contiguous. Without a weight there is no
/// out. Columns [gap_begin, gap_end) are padding, of which the sums know nothing.
struct NarrowProducts {
  at::Tensor wide;
  at::Tensor narrow;
  at::Tensor weight = {};
  at::Tensor out = {};
  int64_t gap_begin = 0;
  int64_t gap_end = 0;
  bool transposed = false;
};

/// Writes wide weight to out, and wide^T narrow, transposed or not, into each direction's gradient;
/// what out does not need is work for run_aside. Returns false, having done nothing, where no
/// kernel serves these tensors.
bool narrow_products(const NarrowProducts& products, std::vector<ParameterGradient>& sums);

}  // namespace vim::ops
