#include <ATen/ATen.h>

#include "src/ops/add_norm.h"
#include "src/ops/parameter_gradient.h"
#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

constexpr int64_t kDim = 19;
constexpr int64_t kOut = 7;

struct Problem {
  AddNormInputs inputs;
  at::Tensor weight;
  AddNormOptions options;
};

Problem make_problem(kernels::NormKind kind, bool has_residual, bool has_mask = false) {
  Problem problem;
  if (has_mask) {
    problem.inputs.sample_mask = at::tensor({1.0F, 0.0F});
    problem.options.keep = 0.25;
    problem.options.eps = 0.1;  // large, so that the norm depends on the scale of v
  }
  problem.inputs.x = leaf(random_tensor({2, 5, kDim}, 1));
  problem.inputs.residual = has_residual ? leaf(random_tensor({2, 5, kDim}, 2)) : at::Tensor();
  problem.inputs.weight = leaf(random_tensor({kDim}, 3) + 1.0);
  if (kind == kernels::NormKind::kLayer) {
    problem.inputs.bias = leaf(random_tensor({kDim}, 4));
  }
  problem.weight = leaf(random_tensor({kOut, kDim}, 5));
  problem.options.kind = kind;
  return problem;
}

std::vector<at::Tensor> leaves_of(const Problem& p) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& tensor :
       {p.inputs.x, p.inputs.residual, p.inputs.weight, p.inputs.bias, p.weight}) {
    if (tensor.defined()) {
      leaves.push_back(tensor);
    }
  }
  return leaves;
}

void run_backward(const AddNormResult& result) {
  const at::Tensor loss = (result.out * random_tensor(result.out.sizes(), 6)).sum() +
                          (result.residual * random_tensor(result.residual.sizes(), 7)).sum();
  loss.backward();
}

AddNormResult run_apart(const Problem& p) {
  const AddNormResult normed = add_norm(p.inputs, p.options);
  return {linear(normed.out, {p.weight, {}, {}}, {}), normed.residual};
}

TEST_CASE("norm_linear is add_norm and linear in one node, bit for bit, forward and backward") {
  for (const auto kind : {kernels::NormKind::kRms, kernels::NormKind::kLayer}) {
    for (const bool has_residual : {false, true}) {
      for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        CAPTURE(static_cast<int>(kind), has_residual, dtype);
        Problem fused = make_problem(kind, has_residual, /*has_mask=*/has_residual);
        Problem apart = make_problem(kind, has_residual, /*has_mask=*/has_residual);
        fused.options.out_dtype = apart.options.out_dtype = dtype;
        const auto result = norm_linear(fused.inputs, {fused.weight, {}, {}}, fused.options);
        const auto expected = run_apart(apart);
        CHECK(same_bits(result.out, expected.out));
        CHECK(same_bits(result.residual, expected.residual));
        run_backward(result);
        run_backward(expected);
        const auto ours = leaves_of(fused);
        const auto theirs = leaves_of(apart);
        for (size_t i = 0; i < ours.size(); ++i) {
          CAPTURE(i);
          CHECK(same_bits(ours[i].grad(), theirs[i].grad()));
        }
      }
    }
  }
}

// Gradients after one pass in `mode` over gradients that held `before`.
std::vector<at::Tensor> gradients_in(GradientMode mode, double before) {
  Problem p = make_problem(kernels::NormKind::kLayer, true);
  std::vector<at::Tensor> gradients;
  for (at::Tensor tensor : leaves_of(p)) {
    tensor.mutable_grad() = at::full_like(tensor, before);
    gradients.push_back(tensor.grad());
  }
  p.options.gradient_mode = make_gradient_mode(mode);
  run_backward(norm_linear(p.inputs, {p.weight, {}, {}}, p.options));
  return gradients;
}

TEST_CASE("gradients written or added in place equal those that autograd adds") {
  const auto zero_based = gradients_in(GradientMode::kReturn, 0.0);
  const auto written = gradients_in(GradientMode::kWrite, 0.0);
  const auto added_to_zero = gradients_in(GradientMode::kAdd, 0.0);
  const auto returned = gradients_in(GradientMode::kReturn, 3.0);
  const auto added = gradients_in(GradientMode::kAdd, 3.0);
  for (size_t i = 0; i < written.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(written[i], zero_based[i]));
    CHECK(same_bits(added_to_zero[i], zero_based[i]));
    CHECK(relative_error(added[i], returned[i]) < 1e-6);  // a sum of one more term
  }
}

TEST_CASE("an undefined mode, or a parameter without a gradient, leaves gradients to autograd") {
  Problem p = make_problem(kernels::NormKind::kRms, false);
  p.options.gradient_mode = make_gradient_mode(GradientMode::kWrite);
  run_backward(norm_linear(p.inputs, {p.weight, {}, p.options.gradient_mode}, p.options));
  for (const at::Tensor& tensor : leaves_of(p)) {
    CHECK(tensor.grad().defined());
  }
}

TEST_CASE("norm_linear names the argument that does not fit") {
  Problem p = make_problem(kernels::NormKind::kRms, false);
  CHECK(contains(
      error_text([&p] {
        norm_linear(p.inputs, {at::zeros({kOut, 18}), {}, {}}, p.options);
      }),
      "norm_linear: the weight must be (out_features, in_features) with in_features = 19, got "
      "[7, 18]"));
  CHECK(contains(
      error_text([&p] {
        norm_linear(p.inputs, {p.weight, at::zeros({kOut, 18}), {}}, p.options);
      }),
      "norm_linear: shadow must be [7, 19], got [7, 18]"));
}

}  // namespace
}  // namespace vim::ops
