// The causal convolution on every backend against the definition in double.
#include "kernels/causal_conv1d.h"

#include <cmath>
#include <stdexcept>

#include "tests/kernels/conv_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

constexpr double kOutLimit =
    5e-6;  // the golden limits for float arithmetic; storage rounding comes on top
constexpr double kGradLimit = 1e-5;

TEST_CASE("causal_conv1d agrees with the definition in double on every backend", "[conv]") {
  for (const ConvCase& test : conv_cases()) {
    const ConvTensors in = make_conv_inputs(test);
    const ConvTensors expected = conv_oracle_gradients(test, in);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      ConvRun run(test, in);
      run.run(kAllRows);
      const double storage = rounding_error(test.dtype);
      CHECK(max_error(run.dx.get(), expected.x) < kGradLimit + storage);
      CHECK(run.dx.gaps_untouched());
      for (int i = 0; i < test.num_directions(); ++i) {
        CHECK(max_error(run.out[i].get(), conv_oracle(test, in, i)) < kOutLimit + storage);
        CHECK(run.out[i].gaps_untouched());
        CHECK(max_error(from_floats(run.dweight[i]), expected.weight[i]) < kGradLimit);
        CHECK(max_error(from_floats(run.dbias[i]), expected.bias[i]) < kGradLimit);
      }
    });
  }
}

TEST_CASE("causal_conv1d gives the same bits however its rows are split", "[conv]") {
  for (const ConvCase& test : conv_cases()) {
    const ConvTensors in = make_conv_inputs(test);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      ConvRun whole(test, in);
      ConvRun single_rows(test, in);
      whole.run(kAllRows);
      single_rows.run(1);
      CHECK(whole.dx.words() == single_rows.dx.words());
      for (int i = 0; i < test.num_directions(); ++i) {
        CHECK(whole.out[i].words() == single_rows.out[i].words());
        CHECK(whole.dweight[i] == single_rows.dweight[i]);
        CHECK(whole.dbias[i] == single_rows.dbias[i]);
      }
    });
  }
}

double objective(const ConvCase& test, const ConvTensors& in) {
  double sum = 0.0;
  for (int i = 0; i < test.num_directions(); ++i) {
    const Values out = conv_oracle(test, in, i);
    for (size_t j = 0; j < out.size(); ++j) sum += out[j] * in.tokens[i][j];
  }
  return sum;
}

// Central differences of the objective by each of `values`, which are a part of in.
Values numeric_gradient(const ConvCase& test, ConvTensors& in, Values& values) {
  constexpr double kStep = 1e-5;
  Values gradient(values.size());
  for (size_t j = 0; j < values.size(); ++j) {
    const double before = values[j];
    values[j] = before + kStep;
    const double above = objective(test, in);
    values[j] = before - kStep;
    gradient[j] = (above - objective(test, in)) / (2.0 * kStep);
    values[j] = before;
  }
  return gradient;
}

TEST_CASE("the conv oracle's gradients are central differences of its forward", "[conv]") {
  const ConvCase test{"gradient", 2, 6, 3, 4, "fr"};
  ConvTensors in = make_conv_inputs(test);
  const ConvTensors grads = conv_oracle_gradients(test, in);
  // A step of 1e-5 leaves a truncation error of 1e-10 and a rounding error of 1e-10.
  CHECK(max_error(numeric_gradient(test, in, in.x), grads.x) < 1e-8);
  for (int i = 0; i < 2; ++i) {
    CHECK(max_error(numeric_gradient(test, in, in.weight[i]), grads.weight[i]) < 1e-8);
    CHECK(max_error(numeric_gradient(test, in, in.bias[i]), grads.bias[i]) < 1e-8);
  }
}

TEST_CASE("causal_conv1d keeps NaN visible in outputs and gradients", "[conv]") {
  const ConvCase test{"nan", 1, 9, 20, 4, "fr"};
  ConvTensors in = make_conv_inputs(test);
  in.x[4 * 20 + 3] = NAN;
  for_each_backend([&](const std::string& backend) {
    INFO(backend);
    ConvRun run(test, in);
    run.run(kAllRows);
    CHECK(std::isnan(run.out[0].get()[7 * 20 + 3]));
    CHECK(!std::isnan(run.out[0].get()[8 * 20 + 3]));
    CHECK(std::isnan(run.dweight[1][3 * 4]));
  });
}

TEST_CASE("causal_conv1d refuses impossible parameters", "[conv]") {
  const ConvCase test{"refused", 1, 4, 4};
  const ConvTensors in = make_conv_inputs(test);
  ConvRun run(test, in);
  CHECK_THROWS_AS(causal_conv1d_forward(run.forward, {0, 2}), std::invalid_argument);
  run.forward.width = 9;
  CHECK_THROWS_AS(causal_conv1d_forward(run.forward, {0, 1}), std::invalid_argument);
  run.backward.workspace = nullptr;
  CHECK_THROWS_AS(causal_conv1d_backward(run.backward, {0, 1}), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests
