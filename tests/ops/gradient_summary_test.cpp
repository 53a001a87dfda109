#include "src/ops/gradient_summary.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"
#include "tests/support/emulated_ops.h"

namespace vim::ops {
namespace {

GradientSummary summarize(const at::Tensor& gradients, std::optional<double> max_norm = {}) {
  return gradient_summary({gradients, at::ones({}, at::kDouble), {}, max_norm});
}

void check() {
  const at::Tensor gradients = random_tensor({3000}, 1);
  const double norm = gradients.to(at::kDouble).norm().item<double>();
  const GradientSummary summary = summarize(gradients, 0.25);
  CHECK(summary.values[kernels::kGradientNorm].item<double>() == Approx(norm).epsilon(1e-6));
  CHECK(summary.grad_scale.item<double>() == Approx((norm + 1e-6) / 0.25).epsilon(1e-6));
  CHECK(summary.found_inf.item<double>() == 0.0);
  gradients[1234] = NAN;
  const GradientSummary bad = summarize(gradients);
  CHECK(bad.found_inf.item<double>() == 1.0);
  CHECK(bad.values[kernels::kFirstNonFinite].item<double>() == 1234.0);
}

TEST_CASE("gradient_summary gives norm, scale and the first gradient that is not finite") {
  check();
  const test::EmulatedOps emulated;
  check();
}

TEST_CASE("gradient_summary names what does not fit") {
  CHECK(contains(error_text([] { summarize(at::ones({2, 3})); }), "must be one-dimensional"));
  CHECK(contains(
      error_text([] {
        gradient_summary({at::ones({3}), at::ones({})});
      }),
      "gradient_summary: loss must be a double scalar"));
}

}  // namespace
}  // namespace vim::ops
