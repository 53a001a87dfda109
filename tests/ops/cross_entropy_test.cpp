#include "src/ops/cross_entropy.h"

#include <ATen/ATen.h>

#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

constexpr double kFloat = 2e-6;  // sums of 7 exponentials, each rounded to 6e-8

at::Tensor reference(const at::Tensor& logits, const at::Tensor& targets) {
  return -(targets * at::log_softmax(logits, 1)).sum(1).mean();
}

void check(const CrossEntropyTargets& given, const at::Tensor& targets) {
  const at::Tensor values = random_tensor({5, 7}, 1, 3.0);
  const at::Tensor logits = leaf(values);
  const at::Tensor exact = leaf_in_double(values);
  const at::Tensor loss = cross_entropy(logits, given);
  const at::Tensor expected = reference(exact, targets.to(at::kDouble));
  CHECK(relative_error(loss, expected) < kFloat);
  (loss * 3).backward();
  (expected * 3).backward();
  CHECK(relative_error(logits.grad(), exact.grad()) < kFloat);
}

TEST_CASE("cross_entropy with soft targets equals the double formula, with its gradient") {
  const at::Tensor targets = at::softmax(random_tensor({5, 7}, 2), 1);
  check({targets, {}, 0.0}, targets);
}

TEST_CASE("cross_entropy with labels smooths them over all classes") {
  const at::Tensor labels = at::tensor({0, 6, 3, 3, 1}, at::kLong);
  for (const double smoothing : {0.0, 0.1}) {
    CAPTURE(smoothing);
    at::Tensor targets = at::full({5, 7}, smoothing / 7, at::kDouble);
    for (int64_t i = 0; i < 5; ++i) {
      targets[i][labels[i]] += 1.0 - smoothing;
    }
    check({{}, labels, smoothing}, targets);
  }
}

TEST_CASE("cross_entropy names what does not fit") {
  const at::Tensor logits = random_tensor({5, 7}, 1);
  CHECK(contains(error_text([&] { cross_entropy(logits, {}); }), "expected targets or labels"));
  CHECK(contains(
      error_text([&] {
        cross_entropy(logits, {at::zeros({5, 6}), {}, 0.0});
      }),
      "cross_entropy: targets must be [5, 7], got [5, 6]"));
  CHECK(contains(
      error_text([&] {
        cross_entropy(logits, {{}, at::zeros({4}, at::kLong), 0.0});
      }),
      "cross_entropy: labels must be (batch) = [5], int64, got [4]"));
}

}  // namespace
}  // namespace vim::ops
