// What the scalar and the Highway version of add+norm share: the row blocks and the layout of
// partial weight gradients.
#pragma once

#include "kernels/add_norm.h"

namespace vim::kernels {

/// Norm rows of one entry row.
inline constexpr int64_t kNormBlock = 16;

/// Channels that one row of the second phase sums.
inline constexpr int64_t kNormReduceTile = 64;

/// First and one-past-last norm row of a block.
inline RowRange norm_block_rows(const AddNormParams& params, int64_t block) {
  const int64_t begin = block * kNormBlock;
  const int64_t end = begin + kNormBlock;
  return {begin, end < params.rows ? end : params.rows};
}

/// Partial dweight of one block, (dim); the partial dbias follows it.
inline float* norm_partial(const AddNormBackwardParams& params, int64_t block) {
  return static_cast<float*>(params.workspace) + block * 2 * params.forward.dim;
}

/// What x is divided by and then multiplied with in one norm row.
struct NormRowScale {
  float keep;
  float mask;
};

inline NormRowScale norm_row_scale(const AddNormParams& params, int64_t row) {
  const float mask =
      params.sample_mask == nullptr ? 1.0F : params.sample_mask[row / params.rows_per_sample];
  return {params.keep, mask};
}

namespace scalar {
void add_norm_forward(const AddNormParams& params, RowRange rows);
void add_norm_backward(const AddNormBackwardParams& params, RowRange rows);
}  // namespace scalar

namespace simd {
void add_norm_forward(const AddNormParams& params, RowRange rows);
void add_norm_backward(const AddNormBackwardParams& params, RowRange rows);
}  // namespace simd

}  // namespace vim::kernels
