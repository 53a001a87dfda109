// The gradient's way out of a backward.
#include "src/ops/parameter_gradient.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/ops/aside.h"

namespace vim::ops {
namespace {

bool multiplies_mixed(const at::Tensor& left) {
  return left.is_cuda() && left.scalar_type() != at::kFloat;
}

// out = left * right, in float whatever the sides' type: on a GPU 16-bit sides go into the product
// as they are; on the CPU, where the product would be rounded to 16 bits, they are widened first.
void write_product(const at::Tensor& left, const at::Tensor& right, at::Tensor& out) {
  if (multiplies_mixed(left)) {
    at::mm_out(out, left, right, at::kFloat);
  } else {
    at::mm_out(out, left.to(at::kFloat), right.to(at::kFloat));
  }
}

void add_product_to(const at::Tensor& left, const at::Tensor& right, at::Tensor& sum) {
  if (multiplies_mixed(left)) {
    at::addmm_out(sum, sum, left, right, at::kFloat);
  } else {
    sum.addmm_(left.to(at::kFloat), right.to(at::kFloat));
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
  const bool adds = mode_ == GradientMode::kAdd;
  at::Tensor out = (adds ? parameter_.grad() : buffer()).view(shape);
  do_aside({left, right}, [&] {
    adds ? add_product_to(left, right, out) : write_product(left, right, out);
  });
}

void ParameterGradient::add_parts_of_product(
    const at::Tensor& left,
    const at::Tensor& right,
    const std::function<std::vector<at::Tensor>(const at::Tensor& product)>& parts) {
  const bool adds = mode_ == GradientMode::kAdd;
  at::Tensor out = adds ? parameter_.grad() : buffer();
  do_aside({left, right}, [&] {
    at::Tensor product = at::empty({left.size(0), right.size(1)}, left.options().dtype(at::kFloat));
    write_product(left, right, product);
    if (adds) {
      out.add_(at::cat(parts(product)));
    } else {
      at::cat_out(out, parts(product));
    }
  });
}

void ParameterGradient::do_aside(
    const std::vector<at::Tensor>& inputs, const std::function<void()>& work) const {
  if (mode_ == GradientMode::kReturn) {
    work();
  } else {
    run_aside(inputs, work);
  }
}

bool may_all_wait(const std::vector<ParameterGradient>& gradients) {
  return std::all_of(gradients.begin(), gradients.end(), [](const ParameterGradient& gradient) {
    return gradient.may_wait();
  });
}

at::Tensor ParameterGradient::finish() {
  if (mode_ == GradientMode::kReturn) {
    return buffer_;
  }
  if (mode_ == GradientMode::kAdd && buffer_.defined()) {
    do_aside({buffer_}, [&] { parameter_.grad().add_(buffer_); });
  }
  return {};
}

}  // namespace vim::ops
