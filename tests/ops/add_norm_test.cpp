#include "src/ops/add_norm.h"

#include <ATen/ATen.h>

#include "tests/ops/op_checks.h"
#include "tests/ops/reference_ops.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

using kernels::NormKind;

// Float rounding (6e-8) of sums over at most 37 channels or 15 rows, with a factor of ten to spare.
constexpr double kOutput = 2e-6;
constexpr double kGradient = 1e-5;
// Half a unit in the last of bfloat16's 8 bits, once for the result, twice where dout is rounded
// too.
constexpr double kBFloat16 = 1.0 / 256;

struct Problem {
  at::Tensor x;
  at::Tensor residual;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor sample_mask;
  AddNormOptions options;
};

struct Shape {
  int64_t batch = 3;
  int64_t seqlen = 5;
  int64_t dim = 37;
};

Problem make_problem(NormKind kind, bool has_residual, bool has_mask, const Shape& shape = {}) {
  Problem problem;
  problem.x = random_tensor({shape.batch, shape.seqlen, shape.dim}, 1);
  problem.weight = random_tensor({shape.dim}, 3) + 1.0;
  if (has_residual) {
    problem.residual = random_tensor({shape.batch, shape.seqlen, shape.dim}, 2);
  }
  if (kind == NormKind::kLayer) {
    problem.bias = random_tensor({shape.dim}, 4);
  }
  if (has_mask) {
    problem.sample_mask = at::ones({shape.batch});
    problem.sample_mask[0] = 0.0;
    problem.options.keep = 0.75;
  }
  problem.options.kind = kind;
  return problem;
}

AddNormResult run(const Problem& p) {
  return add_norm({p.x, p.residual, p.weight, p.bias, p.sample_mask}, p.options);
}

Problem with_leaves(const Problem& problem, at::Tensor (*make_leaf)(const at::Tensor&)) {
  Problem leaves = problem;
  for (at::Tensor* tensor : {&leaves.x, &leaves.residual, &leaves.weight, &leaves.bias}) {
    *tensor = make_leaf(*tensor);
  }
  return leaves;
}

Problem reference_of(const Problem& problem) {
  Problem leaves = with_leaves(problem, leaf_in_double);
  if (leaves.sample_mask.defined()) {
    leaves.sample_mask = leaves.sample_mask.to(at::kDouble);
  }
  return leaves;
}

AddNormResult run_reference(const Problem& p) {
  return reference_add_norm(p.x, p.residual, p.weight, p.bias, p.sample_mask, p.options);
}

// Which outputs the loss reads.
enum class Used { kBoth, kOut, kResidual };

at::Tensor loss_of(const AddNormResult& result, Used used) {
  const auto weigh = [](const at::Tensor& tensor, uint64_t seed) {
    return (tensor * random_tensor(tensor.sizes(), seed)).sum();
  };
  return used == Used::kBoth  ? weigh(result.out, 5) + weigh(result.residual, 6)
         : used == Used::kOut ? weigh(result.out, 5)
                              : weigh(result.residual, 6);
}

void check_against_reference(const Problem& problem, Used used) {
  const Problem leaves = with_leaves(problem, leaf);
  const Problem expected = reference_of(problem);
  const AddNormResult result = run(leaves);
  const AddNormResult wanted = run_reference(expected);
  CHECK(relative_error(result.out, wanted.out) < kOutput);
  CHECK(relative_error(result.residual, wanted.residual) < kOutput);
  loss_of(result, used).backward();
  loss_of(wanted, used).backward();
  CHECK(relative_error(leaves.x.grad(), expected.x.grad()) < kGradient);
  if (problem.residual.defined()) {
    CHECK(relative_error(leaves.residual.grad(), expected.residual.grad()) < kGradient);
  }
  if (used != Used::kResidual) {
    CHECK(relative_error(leaves.weight.grad(), expected.weight.grad()) < kGradient);
  }
  if (problem.bias.defined() && used != Used::kResidual) {
    CHECK(relative_error(leaves.bias.grad(), expected.bias.grad()) < kGradient);
  }
}

TEST_CASE("add_norm equals the double reference for every mix of norm, residual, mask and loss") {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
    for (const bool has_residual : {false, true}) {
      for (const bool has_mask : {false, true}) {
        CAPTURE(static_cast<int>(kind), has_residual, has_mask);
        const Problem problem = make_problem(kind, has_residual, has_mask);
        check_against_reference(problem, Used::kBoth);
        check_against_reference(problem, Used::kOut);
        check_against_reference(problem, Used::kResidual);
      }
    }
  }
}

TEST_CASE("add_norm equals the double reference at odd sizes") {
  for (const Shape& shape : {Shape{1, 1, 2}, Shape{2, 1, 33}, Shape{1, 7, 8}, Shape{5, 3, 1}}) {
    CAPTURE(shape.batch, shape.seqlen, shape.dim);
    check_against_reference(make_problem(NormKind::kRms, true, true, shape), Used::kBoth);
  }
}

TEST_CASE("a dropped sample keeps its residual bit for bit and sends no gradient to x") {
  const Problem problem = with_leaves(make_problem(NormKind::kRms, true, true), leaf);
  const AddNormResult result = run(problem);
  loss_of(result, Used::kBoth).backward();
  CHECK(same_bits(result.residual[0], problem.residual[0]));
  CHECK(problem.x.grad()[0].abs().max().item<float>() == 0.0F);
  CHECK(problem.x.grad()[1].abs().max().item<float>() > 0.0F);
}

TEST_CASE("inputs that want no gradient leave the others' gradients as they are") {
  const Problem problem = make_problem(NormKind::kLayer, true, true);
  const Problem all = with_leaves(problem, leaf);
  loss_of(run(all), Used::kBoth).backward();

  Problem only_x = problem;
  only_x.x = leaf(problem.x);
  loss_of(run(only_x), Used::kBoth).backward();
  CHECK(same_bits(only_x.x.grad(), all.x.grad()));

  Problem only_weight = problem;
  only_weight.weight = leaf(problem.weight);
  loss_of(run(only_weight), Used::kBoth).backward();
  CHECK(same_bits(only_weight.weight.grad(), all.weight.grad()));
  CHECK_FALSE(run(problem).out.requires_grad());
}

TEST_CASE("add_norm on bfloat16 tokens stays within their rounding of the double reference") {
  Problem problem = make_problem(NormKind::kRms, true, true);
  problem.x = problem.x.to(at::kBFloat16);
  problem.options.out_dtype = at::kBFloat16;
  const Problem leaves = with_leaves(problem, leaf);
  const Problem expected = reference_of(problem);
  const AddNormResult result = run(leaves);
  const AddNormResult wanted = run_reference(expected);
  CHECK(result.out.scalar_type() == at::kBFloat16);
  CHECK(result.residual.scalar_type() == at::kFloat);
  CHECK(relative_error(result.out, wanted.out) < kBFloat16);
  CHECK(relative_error(result.residual, wanted.residual) < kOutput);
  loss_of(result, Used::kBoth).backward();
  loss_of(wanted, Used::kBoth).backward();
  CHECK(leaves.x.grad().scalar_type() == at::kBFloat16);
  CHECK(leaves.weight.grad().scalar_type() == at::kFloat);
  CHECK(relative_error(leaves.x.grad(), expected.x.grad()) < 2 * kBFloat16);
  CHECK(relative_error(leaves.residual.grad(), expected.residual.grad()) < 2 * kBFloat16);
  CHECK(relative_error(leaves.weight.grad(), expected.weight.grad()) < 2 * kBFloat16);
}

TEST_CASE("add_norm gives the same bits on one thread, on two, and again") {
  const Problem problem = make_problem(NormKind::kLayer, true, true, {4, 50, 37});
  CHECK(is_reproducible([&problem] {
    const Problem leaves = with_leaves(problem, leaf);
    const AddNormResult result = run(leaves);
    loss_of(result, Used::kBoth).backward();
    return std::vector<at::Tensor>{
        result.out,
        result.residual,
        leaves.x.grad(),
        leaves.residual.grad(),
        leaves.weight.grad(),
        leaves.bias.grad()};
  }));
}

std::string error_of(void (*spoil)(Problem&)) {
  Problem problem = make_problem(NormKind::kLayer, true, true);
  spoil(problem);
  return error_text([&problem] { run(problem); });
}

TEST_CASE("add_norm names the argument that does not fit") {
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x[0]; }),
      "add_norm: x must be (batch, seqlen, dim), got [5, 37]"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.transpose(0, 1); }), "add_norm: x must be contiguous"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.transpose(1, 2).contiguous().transpose(1, 2); }),
      "add_norm: x must have channel stride 1, got strides"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.narrow(0, 0, 0); }), "add_norm: x must not be empty"));
  CHECK(contains(
      error_of([](Problem& p) { p.x = p.x.to(at::kDouble); }),
      "expected float, bfloat16 or half, got Double"));
  CHECK(contains(
      error_of([](Problem& p) { p.residual = p.residual.narrow(1, 0, 4); }),
      "add_norm: residual must be [3, 5, 37], got [3, 4, 37]"));
  CHECK(contains(
      error_of([](Problem& p) { p.residual = p.residual.to(at::kHalf); }),
      "add_norm: residual must be Float, got Half"));
  CHECK(contains(
      error_of([](Problem& p) { p.weight = p.weight.narrow(0, 0, 36); }),
      "add_norm: weight must be [37], got [36]"));
  CHECK(contains(
      error_of([](Problem& p) { p.weight = at::Tensor(); }),
      "add_norm: weight must be a tensor, got none"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.bias = at::zeros({1, 37});
      }),
      "add_norm: bias must be [37], got [1, 37]"));
  CHECK(contains(
      error_of([](Problem& p) { p.sample_mask = at::ones({3}, at::kBool); }),
      "add_norm: sample_mask must be Float, got Bool"));
  CHECK(contains(
      error_of([](Problem& p) { p.sample_mask = at::ones({4}); }),
      "add_norm: sample_mask must be [3], got [4]"));
}

}  // namespace
}  // namespace vim::ops
