#include "src/ops/causal_conv1d.h"

#include <ATen/ATen.h>

#include "tests/ops/op_checks.h"
#include "tests/ops/reference_ops.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

constexpr double kFloat = 2e-6;  // sums of at most 8 taps, or of 66 tokens in a weight gradient

struct Problem {
  at::Tensor x;
  at::Tensor weight;
  at::Tensor bias;
};

Problem make_problem(int64_t seqlen, int64_t width, bool has_bias) {
  return {
      random_tensor({2, seqlen, 21}, 1),
      random_tensor({21, 1, width}, 2),
      has_bias ? random_tensor({21}, 3) : at::Tensor()};
}

Problem with_leaves(const Problem& p, at::Tensor (*make_leaf)(const at::Tensor&)) {
  return {make_leaf(p.x), make_leaf(p.weight), make_leaf(p.bias)};
}

at::Tensor loss_of(const at::Tensor& out) { return (out * random_tensor(out.sizes(), 4)).sum(); }

void check_against_reference(const Problem& problem, const CausalConv1dOptions& options) {
  const Problem leaves = with_leaves(problem, leaf);
  const Problem expected = with_leaves(problem, leaf_in_double);
  const at::Tensor out = causal_conv1d(leaves.x, leaves.weight, leaves.bias, options);
  const at::Tensor wanted = reference_conv(expected.x, expected.weight, expected.bias, options);
  CHECK(relative_error(out, wanted) < kFloat);
  loss_of(out).backward();
  loss_of(wanted).backward();
  CHECK(relative_error(leaves.x.grad(), expected.x.grad()) < kFloat);
  CHECK(relative_error(leaves.weight.grad(), expected.weight.grad()) < kFloat);
  if (problem.bias.defined()) {
    CHECK(relative_error(leaves.bias.grad(), expected.bias.grad()) < kFloat);
  }
}

TEST_CASE("causal_conv1d equals the double reference for every width, length and direction") {
  for (const int64_t width : {1, 2, 5, 8}) {
    for (const int64_t seqlen : {1, 2, 7, 33}) {
      for (const bool reversed : {false, true}) {
        CAPTURE(width, seqlen, reversed);
        check_against_reference(make_problem(seqlen, width, seqlen != 7), {true, reversed});
        check_against_reference(make_problem(seqlen, width, seqlen != 7), {false, reversed});
      }
    }
  }
}

TEST_CASE("causal_conv1d on a strided view gives the bits of its copy") {
  const at::Tensor wide = random_tensor({2, 9, 50}, 5);
  const Problem p = make_problem(9, 4, true);
  const at::Tensor view = wide.narrow(2, 11, 21);
  CHECK(same_bits(
      causal_conv1d(view, p.weight, p.bias, {}),
      causal_conv1d(view.contiguous(), p.weight, p.bias, {})));
}

TEST_CASE("causal_conv1d gives the same bits on one thread, on two, and again") {
  const Problem problem = make_problem(100, 4, true);
  CHECK(is_reproducible([&problem] {
    const Problem leaves = with_leaves(problem, leaf);
    const at::Tensor out = causal_conv1d(leaves.x, leaves.weight, leaves.bias, {});
    loss_of(out).backward();
    return std::vector<at::Tensor>{out, leaves.x.grad(), leaves.weight.grad(), leaves.bias.grad()};
  }));
}

std::string error_of(void (*spoil)(Problem&)) {
  Problem p = make_problem(5, 4, true);
  spoil(p);
  return error_text([&p] { causal_conv1d(p.x, p.weight, p.bias, {}); });
}

TEST_CASE("causal_conv1d names the argument that does not fit") {
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x[0]; }),
      "causal_conv1d: x must be (batch, seqlen, channels), got [5, 21]"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.narrow(1, 0, 0); }),
      "causal_conv1d: x must not be empty"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.transpose(1, 2).contiguous().transpose(1, 2); }),
      "causal_conv1d: x must have channel stride 1"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.to(at::kInt); }),
      "expected float, bfloat16 or half, got Int"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.weight = at::zeros({21, 1, 9});
      }),
      "causal_conv1d: conv weight must be (channels, 1, width) with width 1 to 8, got [21, 1, 9]"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.weight = at::zeros({20, 1, 4});
      }),
      "causal_conv1d: conv weight must be [21, 1, 4], got [20, 1, 4]"));
  CHECK(contains(
      error_of([](Problem& p) { p.weight = p.weight.to(at::kBFloat16); }),
      "causal_conv1d: conv weight must be Float, got BFloat16"));
  CHECK(contains(
      error_of([](Problem& p) { p.bias = at::zeros({4}); }),
      "causal_conv1d: conv bias must be [21], got [4]"));
  CHECK(contains(
      error_of([](Problem& p) { p.bias = at::zeros({42}).slice(0, 0, 42, 2); }),
      "causal_conv1d: conv bias must have channel stride 1, got strides [2]"));
}

}  // namespace
}  // namespace vim::ops
