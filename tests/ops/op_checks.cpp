#include "tests/ops/op_checks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <cstring>
#include <limits>

namespace vim::ops {
namespace {

bool all_same_bits(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) {
    same = same_bits(a[i], b[i]);
  }
  return same;
}

}  // namespace

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  if (!actual.defined() || actual.sizes() != expected.sizes() ||
      !at::isfinite(actual).all().item<bool>()) {
    return std::numeric_limits<double>::infinity();
  }
  const at::Tensor wanted = expected.to(at::kDouble);
  const double error = (actual.to(at::kDouble) - wanted).abs().max().item<double>();
  const double size = wanted.abs().max().item<double>();
  return size > 0.0 ? error / size : error;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) {
    return false;
  }
  const at::Tensor left = a.contiguous();
  const at::Tensor right = b.contiguous();
  return std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0;
}

at::Tensor random_tensor(at::IntArrayRef shape, uint64_t seed, double scale) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape).normal_(0.0, scale, generator);
}

at::Tensor leaf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().clone().requires_grad_() : tensor;
}

at::Tensor leaf_in_double(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().to(at::kDouble).requires_grad_() : tensor;
}

std::string error_text(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool is_reproducible(const std::function<std::vector<at::Tensor>()>& compute) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = compute();
  at::set_num_threads(2);
  const auto shared = compute();
  const auto repeated = compute();
  at::set_num_threads(threads);
  return all_same_bits(alone, shared) && all_same_bits(shared, repeated);
}

}  // namespace vim::ops
