// Front of the causal convolution: checks, dispatch, and the second phase of the backward, which is
// too small to have versions.
#include "kernels/causal_conv1d.h"

#include <algorithm>

#include "kernels/cpu/backend_state.h"
#include "kernels/cpu/causal_conv1d_impl.h"
#include "kernels/cpu/check.h"

namespace vim::kernels {
namespace {

void check_sizes(const ConvParams& params) {
  check_between("causal_conv1d: batch", params.batch, 1, kUnlimited);
  check_between("causal_conv1d: seqlen", params.seqlen, 1, kUnlimited);
  check_between("causal_conv1d: channels", params.channels, 1, kUnlimited);
  check_between("causal_conv1d: width", params.width, 1, kMaxConvWidth);
  check_between("causal_conv1d: num_directions", params.num_directions, 1, kMaxDirections);
}

void check_forward(const ConvParams& params, RowRange rows) {
  check_sizes(params);
  check_rows("causal_conv1d_forward", rows, causal_conv1d_num_rows(params));
  check_present("causal_conv1d: x", params.x.data);
  for (int i = 0; i < params.num_directions; ++i) {
    check_present("causal_conv1d: weight", params.direction[i].weight);
    check_present("causal_conv1d: out", params.direction[i].out.data);
  }
}

void check_backward(const ConvBackwardParams& params, RowRange rows) {
  check_sizes(params.forward);
  check_rows("causal_conv1d_backward", rows, causal_conv1d_num_rows(params.forward));
  check_present("causal_conv1d: x", params.forward.x.data);
  check_present("causal_conv1d: dx", params.dx.data);
  check_present("causal_conv1d: workspace", params.workspace);
  for (int i = 0; i < params.forward.num_directions; ++i) {
    check_present("causal_conv1d: weight", params.forward.direction[i].weight);
    check_present("causal_conv1d: dout", params.dout[i].data);
  }
}

// Sums tap `tap` of one tile over the batch, in double and in batch order, into sums[kConvTile].
void sum_over_batch(
    const ConvBackwardParams& params, int64_t tile, int direction, int64_t tap, double* sums) {
  const int64_t num_tiles = conv_num_tiles(params.forward);
  std::fill(sums, sums + kConvTile, 0.0);
  for (int64_t b = 0; b < params.forward.batch; ++b) {
    const float* partial = conv_partial(params, b * num_tiles + tile, direction) + tap * kConvTile;
    for (int64_t c = 0; c < kConvTile; ++c) {
      sums[c] += partial[c];
    }
  }
}

void reduce_direction(const ConvBackwardParams& params, int64_t tile, int direction) {
  const int64_t width = params.forward.width;
  const int64_t first = tile * kConvTile;
  const int64_t count = std::min(kConvTile, params.forward.channels - first);
  double sums[kConvTile];
  for (int64_t k = 0; k < width && params.dweight[direction] != nullptr; ++k) {
    sum_over_batch(params, tile, direction, k, sums);
    for (int64_t c = 0; c < count; ++c) {
      params.dweight[direction][(first + c) * width + k] = static_cast<float>(sums[c]);
    }
  }
  if (params.dbias[direction] != nullptr) {
    sum_over_batch(params, tile, direction, width, sums);
    for (int64_t c = 0; c < count; ++c) {
      params.dbias[direction][first + c] = static_cast<float>(sums[c]);
    }
  }
}

}  // namespace

int64_t causal_conv1d_num_rows(const ConvParams& params) {
  return params.batch * conv_num_tiles(params);
}

void causal_conv1d_forward(const ConvParams& params, RowRange rows) {
  check_forward(params, rows);
  if (scalar_backend_selected()) {
    scalar::causal_conv1d_forward(params, rows);
  } else {
    simd::causal_conv1d_forward(params, rows);
  }
}

size_t causal_conv1d_backward_workspace_size(const ConvBackwardParams& params) {
  check_sizes(params.forward);
  const int64_t floats = causal_conv1d_num_rows(params.forward) * params.forward.num_directions *
                         (params.forward.width + 1) * kConvTile;
  return static_cast<size_t>(floats) * sizeof(float);
}

void causal_conv1d_backward(const ConvBackwardParams& params, RowRange rows) {
  check_backward(params, rows);
  if (scalar_backend_selected()) {
    scalar::causal_conv1d_backward(params, rows);
  } else {
    simd::causal_conv1d_backward(params, rows);
  }
}

int64_t causal_conv1d_backward_reduce_num_rows(const ConvBackwardParams& params) {
  return conv_num_tiles(params.forward);
}

void causal_conv1d_backward_reduce(const ConvBackwardParams& params, RowRange rows) {
  check_sizes(params.forward);
  check_rows("causal_conv1d_backward_reduce", rows, causal_conv1d_backward_reduce_num_rows(params));
  check_present("causal_conv1d: workspace", params.workspace);
  for (int64_t tile = rows.begin; tile < rows.end; ++tile) {
    for (int i = 0; i < params.forward.num_directions; ++i) {
      reduce_direction(params, tile, i);
    }
  }
}

}  // namespace vim::kernels
