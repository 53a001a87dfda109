// bidirectional_mamba for one token alone.
#include <ATen/ATen.h>

#include "tests/ops/mamba_problem.h"
#include "tests/ops/op_checks.h"
#include "tests/ops/reference_ops.h"
#include "tests/support/catch.h"
#include "tests/support/emulated_ops.h"

namespace vim::ops {
namespace {

// Rounding to 6e-8 through convolution, two products and a scan of up to 7 tokens.
constexpr double kOutput = 1e-5;
constexpr double kGradient = 5e-5;

// One token alone against that token of the double reference, and the gradients of its sum.
void check_only_token(Mode mode, int64_t token) {
  CAPTURE(static_cast<int>(mode), token);
  const Problem problem = make_problem(mode, 7);
  Problem leaves = with_leaves(problem, leaf);
  leaves.options.only_token = token;
  Problem expected = with_leaves(problem, leaf_in_double);
  const at::Tensor out = run(leaves);
  const at::Tensor wanted =
      reference_core(expected.xz, expected.branches, expected.options).narrow(1, token, 1);
  CHECK(relative_error(out, wanted) < kOutput);
  loss_of(out).backward();
  loss_of(wanted).backward();
  const auto ours = gradients_of(leaves);
  const auto theirs = gradients_of(expected);
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(ours[i], theirs[i]) < kGradient);
  }
  const at::NoGradGuard no_grad;
  CHECK(same_bits(run(leaves), out));
}

TEST_CASE("one token alone equals that token of the double reference, with its gradients") {
  for (const Mode mode : {Mode::kNone, Mode::kV2}) {
    for (const int64_t token : {0, 3, 6}) {
      check_only_token(mode, token);
      const test::EmulatedOps emulated;
      check_only_token(mode, token);
    }
  }
}

TEST_CASE("one token alone is refused where the directions share what they need") {
  const auto error_of = [](Mode mode, int64_t token, bool has_out_proj) {
    Problem problem = make_problem(mode, 7);
    problem.options.only_token = token;
    if (has_out_proj) {
      problem.options.out_proj.value = random_tensor({7, kInner}, 40);
    }
    return error_text([&problem] { run(problem); });
  };
  CHECK(contains(error_of(Mode::kV1, 3, false), "branches that convolve the way they scan"));
  CHECK(contains(error_of(Mode::kV2, 7, false), "got token 7 of 7"));
  CHECK(contains(error_of(Mode::kV2, 3, true), "there must be no out_proj"));
}

}  // namespace
}  // namespace vim::ops
