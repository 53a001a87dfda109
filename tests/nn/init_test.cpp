#include "src/nn/init.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "tests/support/catch.h"

namespace vim::nn {
namespace {

constexpr int64_t kDraws = 20000;
constexpr double kStandardErrors = 4.0;  // one seed in 16000 would fail; the seed is fixed

struct Statistics {
  explicit Statistics(const at::Tensor& values)
      : mean(values.mean().item<double>()),
        std(values.std(/*unbiased=*/true).item<double>()),
        low(values.min().item<double>()),
        high(values.max().item<double>()) {}
  double mean;
  double std;
  double low;
  double high;
};

TEST_CASE("init_uniform fills [-bound, bound) evenly") {
  auto generator = at::detail::createCPUGenerator(1);
  const at::Tensor values = at::empty({kDraws});
  init_uniform(values, 0.25, generator);
  const Statistics s(values);
  const double std = 0.25 / std::sqrt(3.0);
  CHECK(s.low >= -0.25);
  CHECK(s.high <= 0.25);
  CHECK(s.low < -0.249);
  CHECK(s.high > 0.249);
  CHECK(std::abs(s.mean) < kStandardErrors * std / std::sqrt(kDraws));
}

TEST_CASE("init_kaiming_uniform is bounded by 1 / sqrt(fan_in)") {
  auto generator = at::detail::createCPUGenerator(2);
  const at::Tensor values = at::empty({kDraws});
  init_kaiming_uniform(values, 48, generator);
  const double bound = 1.0 / std::sqrt(48.0);
  const Statistics s(values);
  CHECK(s.low >= -bound * (1 + 1e-6));
  CHECK(s.high <= bound * (1 + 1e-6));
  CHECK(s.high - s.low > 1.99 * bound);
}

TEST_CASE("init_truncated_normal has its std where the cut-offs are far away") {
  auto generator = at::detail::createCPUGenerator(3);
  const at::Tensor values = at::empty({kDraws});
  init_truncated_normal(values, 0.02, generator);
  const Statistics s(values);
  CHECK(std::abs(s.mean) < kStandardErrors * 0.02 / std::sqrt(kDraws));
  // The sample's standard deviation has standard error std / sqrt(2 n).
  CHECK(std::abs(s.std - 0.02) < kStandardErrors * 0.02 / std::sqrt(2.0 * kDraws));
}

TEST_CASE("init_truncated_normal cuts at -2 and 2, not at multiples of its std") {
  auto generator = at::detail::createCPUGenerator(4);
  const at::Tensor values = at::empty({kDraws});
  init_truncated_normal(values, 1.0, generator);
  const Statistics s(values);
  CHECK(s.low >= -2.0);
  CHECK(s.high <= 2.0);
  CHECK(s.high > 1.95);
  // A standard normal cut at two standard deviations: the constant 0.8796.
  CHECK(std::abs(s.std - 0.87962566) < kStandardErrors * 0.88 / std::sqrt(2.0 * kDraws));
}

TEST_CASE("initialisers draw from the given generator alone and leave no graph behind") {
  const at::Tensor first = at::empty({50}).requires_grad_();
  const at::Tensor second = at::empty({50}).requires_grad_();
  auto generator = at::detail::createCPUGenerator(5);
  init_kaiming_uniform(first, 3, generator);
  at::rand({10});
  generator = at::detail::createCPUGenerator(5);
  init_kaiming_uniform(second, 3, generator);
  CHECK(at::equal(first, second));
  CHECK(first.is_leaf());
}

}  // namespace
}  // namespace vim::nn
