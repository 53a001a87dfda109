// Launches of the convolution kernels on tensors, without autograd: what causal_conv1d and
// bidirectional_mamba share. Defined in causal_conv1d.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace vim::ops {

/// One direction's parameters. weight: (channels, 1, width); bias: (channels), or undefined.
struct ConvBranch {
  at::Tensor weight;
  at::Tensor bias;
  bool reversed = false;
};

/// Throws c10::Error unless x and the branches fit together.
void check_conv(const char* op, const at::Tensor& x, const std::vector<ConvBranch>& branches);

/// A product that follows each branch's output: out = output weight^T.
struct ConvProjections {
  at::Tensor weight;  // (branches, columns, channels), contiguous, in x's dtype; undefined: none
  at::Tensor out;     // (branches, batch, seqlen, columns), maybe a view; overwritten
};

/// The branches' outputs in one contiguous tensor, (branches, batch, seqlen, channels), in x's
/// dtype. Projections are made within the kernel, or, where none can, by matrix products.
at::Tensor conv_forward(
    const at::Tensor& x,
    const std::vector<ConvBranch>& branches,
    bool silu,
    const ConvProjections& projections = {});

/// Gradients of the parameters, as autograd gets them.
struct ConvGrads {
  std::vector<at::Tensor> weight;
  std::vector<at::Tensor> bias;  // undefined where the branch has none
};

/// The gradients of the branches' outputs, as a sum whose second part may be left undone.
struct ConvOutputGrads {
  at::Tensor whole;  // (branches, batch, seqlen, channels)
  at::Tensor left;   // (branches, batch, seqlen, depth), maybe a view; undefined: whole is all
  at::Tensor right;  // (branches, depth, channels), contiguous
};

/// Writes the sum over branches of the input gradients into dx, which may be a strided view. What
/// left and right give is added within the kernel, or, where none can, to douts.whole beforehand.
/// gradient_mode: see parameter_gradient.h.
ConvGrads conv_backward(
    const at::Tensor& x,
    const std::vector<ConvBranch>& branches,
    bool silu,
    const ConvOutputGrads& douts,
    const at::Tensor& dx,
    const at::Tensor& gradient_mode = {});

}  // namespace vim::ops
