// The pre-norm of a block, fused with the residual add and drop-path in front of it.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "src/ops/add_norm.h"

namespace vim::nn {

struct NormOptions {
  int64_t dim = 0;
  kernels::NormKind kind = kernels::NormKind::kRms;
  double eps = 1e-5;
};

/// One layer's drop-path in one pass: which samples keep the branch, and with what probability they
/// do.
struct DropPathMask {
  at::Tensor mask;    // (batch), float 0 or 1; undefined: all keep it
  double keep = 1.0;  // in (0, 1]
};

/// RMSNorm (weight) or LayerNorm (weight and bias) of residual + drop_path(hidden).
class NormImpl : public torch::nn::Module {
 public:
  explicit NormImpl(const NormOptions& options);

  /// Returns the norm in `out_dtype` and the new residual in float. hidden: (batch, seqlen, dim);
  /// residual: the same shape in float, or undefined in front of the first block.
  ops::AddNormResult forward(
      const at::Tensor& hidden,
      const at::Tensor& residual,
      const DropPathMask& drop_path,
      at::ScalarType out_dtype);

  /// The same followed by a linear layer without bias: out is linear(norm), residual as above.
  ops::AddNormResult forward_linear(
      const at::Tensor& hidden,
      const at::Tensor& residual,
      const DropPathMask& drop_path,
      at::ScalarType out_dtype,
      const ops::Weight& linear);

  at::Tensor weight;
  at::Tensor bias;           // LayerNorm only
  at::Tensor gradient_mode;  // see ops/parameter_gradient.h; may be undefined
  bool keeps_norm = false;   // of forward_linear, see ops::AddNormOptions

 private:
  ops::AddNormOptions op_options(const DropPathMask& drop_path, at::ScalarType out_dtype) const;

  NormOptions options_;
};
TORCH_MODULE(Norm);

}  // namespace vim::nn
