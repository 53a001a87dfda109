// What the scalar and the Highway version of the convolution share: the tiling and the layout of
// partial weight gradients. One tiling for all, so that the workspace and the row split never
// depend on the backend.
#pragma once

#include <cstddef>

#include "kernels/causal_conv1d.h"

namespace vim::kernels {

/// Channels of one row: four AVX-512 registers, 256 bytes of float.
inline constexpr int64_t kConvTile = 64;

/// Number of channel tiles; the last one may be partly filled.
inline int64_t conv_num_tiles(const ConvParams& params) {
  return (params.channels + kConvTile - 1) / kConvTile;
}

/// Partial gradients of one row and direction: for tap k the kConvTile values of dweight, then
/// those of dbias in place of tap `width`. Lanes beyond the last channel are unspecified.
inline float* conv_partial(const ConvBackwardParams& params, int64_t row, int direction) {
  const int64_t taps = params.forward.width + 1;
  const int64_t index = row * params.forward.num_directions + direction;
  return static_cast<float*>(params.workspace) + index * taps * kConvTile;
}

namespace scalar {
void causal_conv1d_forward(const ConvParams& params, RowRange rows);
void causal_conv1d_backward(const ConvBackwardParams& params, RowRange rows);
}  // namespace scalar

namespace simd {
void causal_conv1d_forward(const ConvParams& params, RowRange rows);
void causal_conv1d_backward(const ConvBackwardParams& params, RowRange rows);
}  // namespace simd

}  // namespace vim::kernels
