// The gradient summary's specification on numbers that can be checked by hand.
#include "kernels/gradient_summary.h"

#include <cmath>
#include <stdexcept>
#include <vector>

#include "tests/support/catch.h"

namespace vim::tests {
namespace {

struct Summary {
  double values[kernels::kNumGradientSummaryValues];
  float found_inf;
  float grad_scale;
};

struct Setting {
  double max_norm = 0.0;
  float loss_scale = 1.0F;
  double loss = 1.0;
};

Summary summarize(const std::vector<float>& gradients, const Setting& setting = {}) {
  Summary summary;
  kernels::GradientSummaryParams params;
  params.size = static_cast<int64_t>(gradients.size());
  params.max_norm = setting.max_norm;
  params.gradients = gradients.data();
  params.loss_scale = &setting.loss_scale;
  params.loss = &setting.loss;
  params.values = summary.values;
  params.found_inf = &summary.found_inf;
  params.grad_scale = &summary.grad_scale;
  kernels::gradient_summary(params);
  return summary;
}

TEST_CASE("gradient_summary gives norm and clipping, with the loss scale taken out") {
  const Summary plain = summarize({3.0F, -4.0F});
  CHECK(plain.values[kernels::kGradientNorm] == 5.0);
  CHECK(plain.values[kernels::kFirstNonFinite] == -1.0);
  CHECK(plain.found_inf == 0.0F);
  CHECK(plain.grad_scale == 1.0F);
  CHECK(summarize({3.0F, -4.0F}, {2.0}).grad_scale == Approx(2.5000005).epsilon(1e-7));
  CHECK(summarize({3.0F, -4.0F}, {8.0}).grad_scale == 1.0F);
  const Summary scaled = summarize({3.0F, -4.0F}, {2.0, 0.5F});
  CHECK(scaled.values[kernels::kGradientNorm] == 10.0);
  CHECK(scaled.grad_scale == Approx(2.50000025).epsilon(1e-7));
}

TEST_CASE("gradient_summary finds the first gradient that is not finite, and a bad loss") {
  const Summary bad = summarize({1.0F, 2.0F, -INFINITY, NAN});
  CHECK(bad.found_inf == 1.0F);
  CHECK(bad.values[kernels::kGradientFoundInf] == 1.0);
  CHECK(bad.values[kernels::kFirstNonFinite] == 2.0);
  const Summary bad_loss = summarize({1.0F}, {0.0, 1.0F, NAN});
  CHECK(bad_loss.found_inf == 1.0F);
  CHECK(bad_loss.values[kernels::kGradientNorm] == 1.0);
  CHECK(bad_loss.values[kernels::kFirstNonFinite] == -1.0);
}

TEST_CASE("gradient_summary refuses nothing at all") {
  CHECK_THROWS_AS(summarize({}), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests
