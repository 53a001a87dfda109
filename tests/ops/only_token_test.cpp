// bidirectional_mamba for one token alone.
#include <ATen/ATen.h>

#include "tests/ops/mamba_problem.h"
#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"
#include "tests/support/emulated_ops.h"

namespace vim::ops {
namespace {

// One token alone against that token of the double reference, and the gradients of its sum.
void check_only_token(Mode mode, int64_t token) {
  CAPTURE(static_cast<int>(mode), token);
  Problem problem = make_problem(mode, 7);
  problem.options.only_token = token;
  check_against(problem, problem);
  const at::Tensor out = run(with_leaves(problem, leaf));
  const at::NoGradGuard no_grad;
  CHECK(same_bits(run(problem), out));
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
