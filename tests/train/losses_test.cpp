// The losses' values are checked by the golden cases; here is what these do not hold.
#include "src/train/losses.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "tests/support/catch.h"

namespace vim::train {
namespace {

// Of one logit, in double, from the definition.
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double cross_entropy_of(double logit, double target) {
  return -target * std::log(sigmoid(logit)) - (1.0 - target) * std::log(1.0 - sigmoid(logit));
}

}  // namespace

TEST_CASE("cosub averages each half's losses with the targets and with the other half") {
  const std::vector<double> first = {0.5, -1.25, 2.0, 0.0};
  const std::vector<double> second = {-0.75, 1.5, 0.25, -2.0};
  const std::vector<double> targets = {1.0, 0.0, 0.3, 0.7};
  double expected = 0.0;
  std::vector<double> gradient(first.size());  // of the first half's logits
  for (size_t i = 0; i < first.size(); ++i) {
    expected += cross_entropy_of(first[i], targets[i]) + cross_entropy_of(second[i], targets[i]) +
                cross_entropy_of(first[i], sigmoid(second[i])) +
                cross_entropy_of(second[i], sigmoid(first[i]));
    gradient[i] = (2.0 * sigmoid(first[i]) - targets[i] - sigmoid(second[i])) / 16.0;
  }
  const auto rows = [](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).to(at::kFloat).view({2, 2});
  };
  const at::Tensor logits = at::cat({rows(first), rows(second)}).requires_grad_(true);
  const at::Tensor loss = cosub_loss(logits, rows(targets));
  CHECK(loss.item<double>() == Approx(expected / 16.0).epsilon(1e-6));
  loss.backward();
  CHECK(at::allclose(logits.grad().narrow(0, 0, 2), rows(gradient), 1e-6, 1e-7));
}

TEST_CASE("no gradient flows to the teacher") {
  const at::Tensor student = at::tensor({1.0F, -1.0F}).view({1, 2}).requires_grad_(true);
  const at::Tensor teacher = at::tensor({0.5F, 2.0F}).view({1, 2}).requires_grad_(true);
  for (const DistillationKind kind : {DistillationKind::kSoft, DistillationKind::kHard}) {
    distillation_loss(student, teacher, {.kind = kind}).backward();
    CHECK(student.grad().abs().max().item<double>() > 0.0);
    CHECK_FALSE(teacher.grad().defined());
  }
}

TEST_CASE("logits that do not go with the targets are refused") {
  CHECK_THROWS_AS(soft_target_cross_entropy(at::zeros({2, 3}), at::zeros({4, 3})), c10::Error);
  CHECK_THROWS_AS(
      label_smoothing_cross_entropy(at::zeros({2, 5, 3}), at::zeros({2}, at::kLong), 0.1),
      c10::Error);
  CHECK_THROWS_AS(cosub_loss(at::zeros({3, 4}), at::zeros({2, 4})), c10::Error);
  CHECK_THROWS_AS(distillation_loss(at::zeros({2, 3}), at::zeros({2, 3}), {}), c10::Error);
}

}  // namespace vim::train
