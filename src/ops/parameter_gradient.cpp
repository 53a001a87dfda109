// The gradient's way out of a backward.
#include "src/ops/parameter_gradient.h"

#include <ATen/ATen.h>

namespace vim::ops {
namespace {

bool multiplies_mixed(const at::Tensor& left) {
  return left.is_cuda() && left.scalar_type() != at::kFloat;
}

void write_product(const at::Tensor& left, const at::Tensor& right, at::Tensor& out) {
  if (multiplies_mixed(left)) {
    at::mm_out(out, left, right, at::kFloat);
  } else {
    at::mm_out(out, left.to(at::kFloat), right.to(at::kFloat));
  }
}

}  // namespace

at::Tensor make_gradient_mode(GradientMode mode) {
  return at::full({}, static_cast<int64_t>(mode), at::TensorOptions().dtype(at::kLong));
}

void set_gradient_mode(const at::Tensor& shared, GradientMode mode) {
  *shared.mutable_data_ptr<int64_t>() = static_cast<int64_t>(mode);
}

ParameterGradient::ParameterGradient(const at::Tensor& parameter, const at::Tensor& mode)
    : parameter_(parameter) {
  if (mode.defined() && parameter.defined() && parameter.is_leaf() && parameter.grad().defined()) {
    mode_ = static_cast<GradientMode>(*mode.const_data_ptr<int64_t>());
  }
}

const at::Tensor& ParameterGradient::buffer() {
  if (!buffer_.defined() && parameter_.defined()) {
    buffer_ = mode_ == GradientMode::kWrite ? parameter_.grad()
                                            : at::empty(parameter_.sizes(), parameter_.options());
  }
  return buffer_;
}

void ParameterGradient::add_product(const at::Tensor& left, const at::Tensor& right) {
  const std::vector<int64_t> shape = {left.size(0), right.size(1)};
  if (mode_ != GradientMode::kAdd) {
    at::Tensor out = buffer().view(shape);
    write_product(left, right, out);
    return;
  }
  at::Tensor grad = parameter_.grad().view(shape);
  if (multiplies_mixed(left)) {
    at::addmm_out(grad, grad, left, right, at::kFloat);
  } else {
    grad.addmm_(left.to(at::kFloat), right.to(at::kFloat));
  }
}

void ParameterGradient::add_rows(const std::vector<at::Tensor>& parts) {
  if (mode_ == GradientMode::kAdd) {
    parameter_.grad().add_(at::cat(parts));
    return;
  }
  at::Tensor out = buffer();
  at::cat_out(out, parts);
}

at::Tensor ParameterGradient::finish() {
  if (mode_ == GradientMode::kReturn) {
    return buffer_;
  }
  if (mode_ == GradientMode::kAdd && buffer_.defined()) {
    parameter_.grad().add_(buffer_);
  }
  return {};
}

at::Tensor float_product(const at::Tensor& left, const at::Tensor& right) {
  at::Tensor out = at::empty({left.size(0), right.size(1)}, left.options().dtype(at::kFloat));
  write_product(left, right, out);
  return out;
}

}  // namespace vim::ops
