#include "tests/ops/mamba_problem.h"

#include <ATen/ATen.h>

#include "tests/ops/op_checks.h"
#include "tests/ops/reference_ops.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

Branch make_branch(uint64_t seed, bool has_conv_bias, const Sizes& sizes) {
  const int64_t inner = sizes.inner;
  const int64_t state = sizes.state;
  const int64_t rank = sizes.rank;
  Branch branch;
  branch.conv_weight = random_tensor({inner, 1, 4}, seed + 1, 0.5);
  branch.conv_bias = has_conv_bias ? random_tensor({inner}, seed + 2, 0.5) : at::Tensor();
  branch.x_proj = random_tensor({rank + 2 * state, inner}, seed + 3, 0.3);
  branch.dt_proj = random_tensor({inner, rank}, seed + 4, 0.5);
  branch.dt_bias = random_tensor({inner}, seed + 5) - 1.0;
  branch.A_log = random_tensor({inner, state}, seed + 6);
  branch.D = random_tensor({inner}, seed + 7);
  return branch;
}

}  // namespace

Problem make_problem(Mode mode, int64_t seqlen, bool has_conv_bias, const Sizes& sizes) {
  Problem problem;
  problem.xz = random_tensor({sizes.batch, seqlen, 2 * sizes.inner}, 1);
  problem.branches = {make_branch(10, has_conv_bias, sizes)};
  if (mode == Mode::kV1) {
    problem.branches.push_back(problem.branches[0]);
    problem.branches[1].A_log = random_tensor({sizes.inner, sizes.state}, 30);
    problem.branches[1].scan_reversed = true;
    problem.branches[1].shares_projections = true;
  } else if (mode == Mode::kV2) {
    problem.options.scale = 0.5;
    problem.branches.push_back(make_branch(20, has_conv_bias, sizes));
    problem.branches[1].conv_reversed = true;
    problem.branches[1].scan_reversed = true;
  }
  return problem;
}

std::vector<at::Tensor*> parameters_of(Branch& branch) {
  return {
      &branch.conv_weight,
      &branch.conv_bias,
      &branch.x_proj,
      &branch.dt_proj,
      &branch.dt_bias,
      &branch.A_log,
      &branch.D};
}

Problem with_leaves(Problem problem, at::Tensor (*make_leaf)(const at::Tensor&)) {
  problem.xz = make_leaf(problem.xz);
  for (Branch& branch : problem.branches) {
    if (branch.shares_projections) {
      Branch shared = problem.branches[0];
      shared.A_log = make_leaf(branch.A_log);
      shared.conv_reversed = branch.conv_reversed;
      shared.scan_reversed = branch.scan_reversed;
      shared.shares_projections = true;
      branch = shared;
      continue;
    }
    for (at::Tensor* parameter : parameters_of(branch)) {
      *parameter = make_leaf(*parameter);
    }
  }
  return problem;
}

at::Tensor run(const Problem& p) { return bidirectional_mamba(p.xz, p.branches, p.options); }

at::Tensor loss_of(const at::Tensor& out) { return (out * random_tensor(out.sizes(), 2)).sum(); }

std::vector<at::Tensor> gradients_of(Problem& leaves) {
  std::vector<at::Tensor> gradients = {leaves.xz.grad()};
  for (Branch& branch : leaves.branches) {
    for (const at::Tensor* parameter : parameters_of(branch)) {
      if (parameter->defined()) {
        gradients.push_back(parameter->grad());
      }
    }
  }
  return gradients;
}

void check_against(const Problem& problem, const Problem& values, const Tolerance& tolerance) {
  Problem leaves = with_leaves(problem, leaf);
  Problem expected = with_leaves(values, leaf_in_double);
  const at::Tensor out = run(leaves);
  at::Tensor wanted = reference_core(expected.xz, expected.branches, expected.options);
  if (problem.options.only_token) {
    wanted = wanted.narrow(1, *problem.options.only_token, 1);
  }
  CHECK(relative_error(out, wanted) < tolerance.output);
  loss_of(out).backward();
  loss_of(wanted).backward();
  const auto ours = gradients_of(leaves);
  const auto theirs = gradients_of(expected);
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(ours[i], theirs[i]) < tolerance.gradient);
  }
}

}  // namespace vim::ops
