// The three laws that Vim's weights start from.
#include "src/nn/init.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace vim::nn {

void init_uniform(const at::Tensor& tensor, double bound, at::Generator& generator) {
  const at::NoGradGuard no_grad;
  at::Tensor values = tensor;
  values.uniform_(-bound, bound, generator);
}

void init_kaiming_uniform(const at::Tensor& tensor, int64_t fan_in, at::Generator& generator) {
  // The detour over gain and standard deviation keeps the rounding of the original.
  const double slope = std::sqrt(5.0);
  const double gain = std::sqrt(2.0 / (1.0 + slope * slope));
  const double std = gain / std::sqrt(static_cast<double>(fan_in));
  init_uniform(tensor, std::sqrt(3.0) * std, generator);
}

void init_truncated_normal(const at::Tensor& tensor, double std, at::Generator& generator) {
  const at::NoGradGuard no_grad;
  constexpr double kCut = 2.0;
  const auto normal_cdf = [](double x) { return (1.0 + std::erf(x / std::numbers::sqrt2)) / 2.0; };
  const double low = normal_cdf(-kCut / std);
  const double high = normal_cdf(kCut / std);
  at::Tensor values = tensor;
  values.uniform_(2.0 * low - 1.0, 2.0 * high - 1.0, generator);
  values.erfinv_();
  values.mul_(std * std::numbers::sqrt2);
  values.clamp_(-kCut, kCut);
}

}  // namespace vim::nn
