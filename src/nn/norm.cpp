// Parameters and forward of the norm; the arithmetic is ops::add_norm's.
#include "src/nn/norm.h"

#include <ATen/ATen.h>

namespace vim::nn {

NormImpl::NormImpl(const NormOptions& options) : options_(options) {
  weight = register_parameter("weight", at::ones({options.dim}));
  if (options.kind == kernels::NormKind::kLayer) {
    bias = register_parameter("bias", at::zeros({options.dim}));
  }
}

ops::AddNormOptions NormImpl::op_options(
    const DropPathMask& drop_path, at::ScalarType out_dtype) const {
  ops::AddNormOptions options;
  options.kind = options_.kind;
  options.eps = options_.eps;
  options.out_dtype = out_dtype;
  options.keep = drop_path.keep;
  options.gradient_mode = gradient_mode;
  options.keeps_norm = keeps_norm;
  return options;
}

ops::AddNormResult NormImpl::forward(
    const at::Tensor& hidden,
    const at::Tensor& residual,
    const DropPathMask& drop_path,
    at::ScalarType out_dtype) {
  return ops::add_norm(
      {hidden, residual, weight, bias, drop_path.mask}, op_options(drop_path, out_dtype));
}

ops::AddNormResult NormImpl::forward_linear(
    const at::Tensor& hidden,
    const at::Tensor& residual,
    const DropPathMask& drop_path,
    at::ScalarType out_dtype,
    const ops::Weight& linear) {
  return ops::norm_linear(
      {hidden, residual, weight, bias, drop_path.mask}, linear, op_options(drop_path, out_dtype));
}

}  // namespace vim::nn
