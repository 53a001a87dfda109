#include "src/nn/linear.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "tests/support/catch.h"

namespace vim::nn {
namespace {

Linear make_linear(bool has_bias) {
  Linear linear(LinearOptions{24, 10, has_bias});
  auto generator = at::detail::createCPUGenerator(1);
  linear->reset_parameters(generator);
  return linear;
}

at::Tensor make_input() {
  auto generator = at::detail::createCPUGenerator(2);
  return at::empty({2, 3, 24}).normal_(0.0, 1.0, generator);
}

TEST_CASE("a linear layer holds weight and, if asked for, bias within 1 / sqrt(in_features)") {
  const double bound = 1.0 / std::sqrt(24.0) * (1 + 1e-6);
  const Linear linear = make_linear(true);
  const auto parameters = linear->named_parameters();
  REQUIRE(parameters.size() == 2);
  CHECK(parameters[0].key() == "weight");
  CHECK(parameters[1].key() == "bias");
  for (const auto& parameter : parameters) {
    const double largest = parameter.value().abs().max().item<double>();
    CHECK(largest > 0.5 * bound);
    CHECK(largest <= bound);
  }
  CHECK(make_linear(false)->named_parameters().size() == 1);
}

TEST_CASE("a bfloat16 input meets the shadow, with the result of the cast weight") {
  Linear linear = make_linear(true);
  const at::Tensor input = make_input().to(at::kBFloat16);
  const at::Tensor cast = linear->forward(input);
  linear->weight_shadow = linear->weight.detach().to(at::kBFloat16);
  const at::Tensor shadowed = linear->forward(input);
  CHECK(shadowed.scalar_type() == at::kBFloat16);
  CHECK(at::equal(shadowed, cast));
  linear->weight_shadow.zero_();
  const at::Tensor rows = linear->bias.to(at::kBFloat16).expand({2, 3, 10});
  CHECK(at::equal(linear->forward(input), rows));
}

TEST_CASE("a float input ignores the shadow") {
  Linear linear = make_linear(false);
  const at::Tensor plain = linear->forward(make_input());
  linear->weight_shadow = at::zeros({10, 24}, at::kBFloat16);
  CHECK(at::equal(linear->forward(make_input()), plain));
}

}  // namespace
}  // namespace vim::nn
