#include "src/ops/linear.h"

#include <ATen/ATen.h>

#include "src/ops/parameter_gradient.h"
#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

constexpr double kFloat = 2e-6;  // sums of at most 35 products, each rounded to 6e-8
// One rounding to bfloat16's 8 bits of the result; gradients also see a rounded dout.
constexpr double kBFloat16 = 1.0 / 256;

struct Problem {
  at::Tensor input;
  at::Tensor weight;
  at::Tensor bias;
};

// `leading` are the sizes in front of in_features = 19.
Problem make_problem(std::vector<int64_t> leading, bool has_bias) {
  leading.push_back(19);
  return {
      random_tensor(leading, 1),
      random_tensor({7, 19}, 2),
      has_bias ? random_tensor({7}, 3) : at::Tensor()};
}

Problem with_leaves(const Problem& p, at::Tensor (*make_leaf)(const at::Tensor&)) {
  return {make_leaf(p.input), make_leaf(p.weight), make_leaf(p.bias)};
}

at::Tensor loss_of(const at::Tensor& out) { return (out * random_tensor(out.sizes(), 4)).sum(); }

TEST_CASE("linear and its gradients equal the double product for any leading sizes") {
  for (const auto& leading : std::vector<std::vector<int64_t>>{{}, {1}, {5, 7}, {2, 3, 4}}) {
    for (const bool has_bias : {false, true}) {
      CAPTURE(leading.size(), has_bias);
      const Problem problem = make_problem(leading, has_bias);
      const Problem leaves = with_leaves(problem, leaf);
      const Problem expected = with_leaves(problem, leaf_in_double);
      const at::Tensor out = linear(leaves.input, {leaves.weight, {}, {}}, leaves.bias);
      at::Tensor wanted = at::matmul(expected.input, expected.weight.t());
      wanted = has_bias ? wanted + expected.bias : wanted;
      CHECK(relative_error(out, wanted) < kFloat);
      loss_of(out).backward();
      loss_of(wanted).backward();
      CHECK(relative_error(leaves.input.grad(), expected.input.grad()) < kFloat);
      CHECK(relative_error(leaves.weight.grad(), expected.weight.grad()) < kFloat);
      if (has_bias) {
        CHECK(relative_error(leaves.bias.grad(), expected.bias.grad()) < kFloat);
      }
    }
  }
}

TEST_CASE("linear takes a strided input and an expanded gradient") {
  const at::Tensor wide = random_tensor({2, 5, 25}, 5);
  const at::Tensor narrow = wide.narrow(2, 3, 19).contiguous();
  const Problem problem = with_leaves(make_problem({1}, false), leaf);
  const at::Tensor out = linear(wide.narrow(2, 3, 19), {problem.weight, {}, {}}, {});
  // The product may sum in another order over strided rows.
  CHECK(relative_error(out, linear(narrow, {problem.weight, {}, {}}, {})) < kFloat);
  out.sum().backward();
  const at::Tensor wanted =
      wide.narrow(2, 3, 19).to(at::kDouble).sum(at::IntArrayRef({0, 1})).expand({7, 19});
  CHECK(relative_error(problem.weight.grad(), wanted) < kFloat);
}

TEST_CASE("linear without an input gradient wanted gives the same weight gradient") {
  const Problem problem = make_problem({5}, true);
  const Problem all = with_leaves(problem, leaf);
  loss_of(linear(all.input, {all.weight, {}, {}}, all.bias)).backward();
  const at::Tensor weight = leaf(problem.weight);
  loss_of(linear(problem.input, {weight, {}, {}}, problem.bias)).backward();
  CHECK(same_bits(weight.grad(), all.weight.grad()));
}

TEST_CASE("linear in bfloat16 uses the shadow, and its weight gradient is float") {
  const Problem problem = make_problem({5, 7}, true);
  const at::Tensor input = leaf(problem.input.to(at::kBFloat16));
  const at::Tensor weight = leaf(problem.weight);
  const at::Tensor bias = leaf(problem.bias);
  const at::Tensor shadow = problem.weight.to(at::kBFloat16);
  const at::Tensor out = linear(input, {weight, shadow, {}}, bias);
  CHECK(out.scalar_type() == at::kBFloat16);
  CHECK(same_bits(out, linear(input, {weight, {}, {}}, bias)));  // cast on the way
  CHECK_FALSE(same_bits(out, linear(input, {weight, shadow * 2, {}}, bias)));

  const at::Tensor input64 = leaf_in_double(input);
  const at::Tensor weight64 = leaf_in_double(shadow);
  const at::Tensor bias64 = leaf_in_double(bias.to(at::kBFloat16));
  const at::Tensor wanted = at::matmul(input64, weight64.t()) + bias64;
  CHECK(relative_error(out, wanted) < kBFloat16);
  loss_of(out).backward();
  loss_of(wanted).backward();
  CHECK(weight.grad().scalar_type() == at::kFloat);
  CHECK(bias.grad().scalar_type() == at::kFloat);
  CHECK(input.grad().scalar_type() == at::kBFloat16);
  CHECK(relative_error(weight.grad(), weight64.grad()) < 2 * kBFloat16);
  CHECK(relative_error(bias.grad(), bias64.grad()) < 2 * kBFloat16);
  CHECK(relative_error(input.grad(), input64.grad()) < 2 * kBFloat16);
}

TEST_CASE("weight gradients of 16-bit products are summed in float") {
  // 1001 has ten significant bits, bfloat16 keeps eight.
  const at::Tensor ones = at::ones({1001, 1}, at::kBFloat16);
  ParameterGradient gradient(at::zeros({1, 1}), {});
  gradient.add_product(ones.t(), ones);
  CHECK(gradient.finish().item<float>() == 1001.0F);
}

TEST_CASE("a shadow in another dtype than the input's is not used") {
  const Problem problem = make_problem({5}, false);
  const at::Tensor shadow = at::zeros({7, 19}, at::kHalf);
  const at::Tensor input = problem.input.to(at::kBFloat16);
  CHECK(same_bits(
      linear(input, {problem.weight, shadow, {}}, {}),
      linear(input, {problem.weight, {}, {}}, {})));
  CHECK(same_bits(
      linear(problem.input, {problem.weight, shadow, {}}, {}),
      linear(problem.input, {problem.weight, {}, {}}, {})));
}

TEST_CASE("linear names the argument that does not fit") {
  const Problem p = make_problem({5}, true);
  CHECK(contains(
      error_text([&p] {
        linear(p.input.narrow(1, 0, 18), {p.weight, {}, {}}, p.bias);
      }),
      "linear: input must be (..., in_features) for a weight (out_features, in_features), got "
      "[5, 18] and [7, 19]"));
  CHECK(contains(error_text([&p] { linear(p.input, {p.weight[0], {}, {}}, p.bias); }), "and [19]"));
  CHECK(contains(
      error_text([&p] {
        linear(p.input, {p.weight, {}, {}}, at::zeros({19}));
      }),
      "linear: bias must be (out_features) = [7], got [19]"));
  CHECK(contains(
      error_text([&p] {
        linear(p.input, {p.weight, at::zeros({19, 7}), {}}, p.bias);
      }),
      "linear: shadow must be [7, 19], got [19, 7]"));
}

}  // namespace
}  // namespace vim::ops
