// Causal depthwise convolution with optional SiLU over channel-last tokens, in one or both
// directions.
//
//   o_t = bias + sum_k weight[k] x_{t-(width-1)+k},  x = 0 outside the sequence;   out = silu(o) or
//   o
//
// A reversed direction is causal from the last token to the first: o_t uses x_{t+(width-1)-k}. The
// last tap always multiplies the current token. Source: vim_ssm's causal_conv1d, Vim section 3.3.
#pragma once

#include <cstddef>

#include "kernels/types.h"

namespace vim::kernels {

inline constexpr int64_t kMaxConvWidth = 8;

struct ConvDirection {
  const float* weight = nullptr;  // (channels, width)
  const float* bias = nullptr;    // (channels), or null
  bool reversed = false;
  MutableTokenView out;  // (batch, seqlen, channels)

  /// GPU only, where causal_conv1d_forward_projects() says so: projected = out projection^T, from
  /// out as it is stored, summed in float and rounded once. projection: (columns, channels),
  /// contiguous, in dtype; projected: (batch, seqlen, columns). Not read with 0 columns.
  const void* projection = nullptr;
  MutableTokenView projected;
};

struct ConvParams {
  int64_t batch = 0;
  int64_t seqlen = 0;
  int64_t channels = 0;
  int64_t width = 0;  // 1 to kMaxConvWidth
  DType dtype = DType::kFloat32;
  bool silu = true;
  TokenView x;
  int64_t columns = 0;  // of every direction's projection; 0: none
  int num_directions = 1;
  ConvDirection direction[kMaxDirections];
};

/// forward.direction[i].out is not read: the backward recomputes what it needs from x.
struct ConvBackwardParams {
  ConvParams forward;
  TokenView dout[kMaxDirections];

  /// GPU only, where causal_conv1d_backward_multiplies() says so: a part of each direction's dout
  /// is left as a product, so that dout + left right stands for it. left: (batch, seqlen, depth);
  /// right: (depth, channels), contiguous, in dtype. depth 0: dout is whole.
  int64_t depth = 0;
  TokenView left[kMaxDirections];
  const void* right[kMaxDirections] = {};

  MutableTokenView dx;                  // sum over the directions, overwritten
  float* dweight[kMaxDirections] = {};  // (channels, width), overwritten
  float* dbias[kMaxDirections] = {};    // (channels), or null
  void* workspace = nullptr;  // causal_conv1d_backward_workspace_size bytes, 64-byte aligned
};

/// Rows of both entries: (batch, channel tile) pairs, batch-major, with a fixed tile.
int64_t causal_conv1d_num_rows(const ConvParams& params);

/// Computes out of every direction for the given rows.
void causal_conv1d_forward(const ConvParams& params, RowRange rows);

size_t causal_conv1d_backward_workspace_size(const ConvBackwardParams& params);

/// First phase: dx, and per-row partial dweight and dbias into the workspace.
void causal_conv1d_backward(const ConvBackwardParams& params, RowRange rows);

int64_t causal_conv1d_backward_reduce_num_rows(const ConvBackwardParams& params);

/// Second phase: adds the partial sums over the batch in a fixed order.
void causal_conv1d_backward_reduce(const ConvBackwardParams& params, RowRange rows);

}  // namespace vim::kernels
