#include "src/train/losses.h"

#include <ATen/ATen.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/golden_file.h"

namespace vim::train {
namespace {

constexpr double kTolerance = 1e-6;  // golden/README.md: losses computed in float

at::Tensor matrix(const nlohmann::json& rows) {
  std::vector<at::Tensor> tensors;
  for (const auto& row : rows) {
    tensors.push_back(at::tensor(row.get<std::vector<double>>(), at::kDouble));
  }
  return at::stack(tensors).to(at::kFloat);
}

struct Golden {
  // Beside the test, not among the golden cases: it also holds losses that do not exist yet.
  nlohmann::json json = nlohmann::json::parse(std::ifstream("tests/train/loss.json"));
  at::Tensor logits = matrix(json["logits"]).requires_grad_(true);
  at::Tensor labels = at::tensor(json["labels"].get<std::vector<int64_t>>());

  void check(const at::Tensor& loss, const std::string& name) const {
    const nlohmann::json& expected = json["losses"][name];
    INFO(name);
    CHECK(loss.item<double>() == Approx(expected["value"].get<double>()).epsilon(kTolerance));
    loss.backward();
    CHECK(test::relative_error(logits.grad(), matrix(expected["grad_logits"])) < kTolerance);
  }
};

}  // namespace

TEST_CASE("soft-target cross-entropy and its gradient equal the reference") {
  const Golden golden;
  golden.check(
      soft_target_cross_entropy(golden.logits, matrix(golden.json["soft_targets"])), "soft_target");
}

TEST_CASE("label smoothing and its gradient equal the reference") {
  for (const double smoothing : {0.1, 0.3}) {
    const Golden golden;
    golden.check(
        label_smoothing_cross_entropy(golden.logits, golden.labels, smoothing),
        smoothing == 0.1 ? "label_smoothing_0.1" : "label_smoothing_0.3");
  }
}

TEST_CASE("without smoothing the loss is plain cross-entropy") {
  const Golden golden;
  golden.check(label_smoothing_cross_entropy(golden.logits, golden.labels, 0.0), "cross_entropy");
}

TEST_CASE("logits that do not go with the targets are refused") {
  CHECK_THROWS_AS(soft_target_cross_entropy(at::zeros({2, 3}), at::zeros({4, 3})), c10::Error);
  CHECK_THROWS_AS(
      label_smoothing_cross_entropy(at::zeros({2, 5, 3}), at::zeros({2}, at::kLong), 0.1),
      c10::Error);
}

}  // namespace vim::train
