// Cross-entropy against its definition in double, central differences and the reference's losses.
#include "kernels/cross_entropy.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>

#include "tests/kernels/loss_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

constexpr double kLimit = 1e-6;  // golden/README.md: losses computed in float

void run_in_rows(LossRun& run, int64_t piece) {
  run_in_pieces(cross_entropy_num_rows(run.params), piece, [&](auto rows) {
    cross_entropy(run.params, rows);
  });
}

TEST_CASE("cross_entropy agrees with the definition in double", "[loss]") {
  for (const LossCase& test : loss_cases()) {
    INFO(test.name);
    LossRun run(test);
    run_in_rows(run, 3);
    const LossResults expected = loss_oracle(run.params);
    CHECK(max_error(from_floats(run.loss), expected.loss) < kLimit);
    CHECK(max_error(from_floats(run.dlogits), expected.dlogits) < kLimit);
  }
}

TEST_CASE("cross_entropy's gradient equals central differences of the loss", "[loss]") {
  for (const LossCase& test : loss_cases()) {
    INFO(test.name);
    LossRun run(test);
    run_in_rows(run, kAllRows);
    const Values targets = loss_targets(run.params);
    const int64_t size = test.num_classes;
    constexpr double kStep = 1e-5;
    for (int64_t i = 0; i < test.rows * size; i += 13) {
      const int64_t begin = i / size * size;
      Values row(run.logits.begin() + begin, run.logits.begin() + begin + size);
      const Values target(targets.begin() + begin, targets.begin() + begin + size);
      row[i - begin] += kStep;
      const double above = row_loss(row, target);
      row[i - begin] -= 2 * kStep;
      const double slope = (above - row_loss(row, target)) / (2 * kStep);
      // Cancellation in the difference of losses up to 200, and the step's third derivative.
      CHECK(run.dlogits[i] == Approx(slope * run.params.grad_scale).margin(1e-7 * size));
    }
  }
}

struct GoldenLoss {
  const char* name;
  float smoothing;
  bool has_targets;
};

std::vector<float> flatten(const nlohmann::json& rows) {
  std::vector<float> values;
  for (const auto& row : rows) {
    for (const auto& value : row) values.push_back(value.get<float>());
  }
  return values;
}

TEST_CASE("cross_entropy equals the reference's losses and gradients", "[loss]") {
  const nlohmann::json golden = nlohmann::json::parse(std::ifstream("tests/golden/loss.json"));
  const GoldenLoss losses[] = {
      {"cross_entropy", 0.0F, false},
      {"label_smoothing_0.1", 0.1F, false},
      {"label_smoothing_0.3", 0.3F, false},
      {"soft_target", 0.0F, true}};
  for (const GoldenLoss& test : losses) {
    INFO(test.name);
    const auto rows = static_cast<int64_t>(golden["logits"].size());
    const auto classes = static_cast<int64_t>(golden["logits"][0].size());
    LossRun run({test.name, rows, classes, test.smoothing, false, test.has_targets});
    run.logits = flatten(golden["logits"]);
    run.labels = golden["labels"].get<std::vector<int64_t>>();
    run.targets = flatten(golden["soft_targets"]);
    run.params.logits = run.logits.data();
    run.params.labels = run.labels.data();
    run.params.targets = test.has_targets ? run.targets.data() : nullptr;
    run_in_rows(run, kAllRows);
    float mean = 0.0F;
    kernels::loss_sum({rows, 1.0F / static_cast<float>(rows), run.loss.data(), &mean});
    const nlohmann::json& expected = golden["losses"][test.name];
    CHECK(mean == Approx(expected["value"].get<double>()).epsilon(kLimit));
    const Values gradient = from_floats(flatten(expected["grad_logits"]));
    CHECK(max_error(from_floats(run.dlogits), gradient) < kLimit);
  }
}

TEST_CASE("cross_entropy may write the gradient over the logits, or none", "[loss]") {
  const LossCase test{"in_place", 5, 100, 0.1, true};
  LossRun apart(test);
  LossRun in_place(test);
  LossRun without(test);
  run_in_rows(apart, kAllRows);
  in_place.params.dlogits = in_place.logits.data();
  run_in_rows(in_place, kAllRows);
  without.params.dlogits = nullptr;
  run_in_rows(without, kAllRows);
  CHECK(in_place.logits == apart.dlogits);
  CHECK(without.loss == apart.loss);
}

TEST_CASE("loss_sum adds in order and scales once", "[loss]") {
  std::vector<float> losses(1001);
  std::iota(losses.begin(), losses.end(), 1.0F);
  float total = 0.0F;
  kernels::loss_sum({1001, 0.5F, losses.data(), &total});
  CHECK(total == 250750.5F);
}

TEST_CASE("cross_entropy refuses a label outside the classes and impossible sizes", "[loss]") {
  LossRun run({"refused", 4, 3, 0.1, true});
  run.labels[2] = 3;
  CHECK_THROWS_AS(run_in_rows(run, kAllRows), std::invalid_argument);
  run.labels[2] = 0;
  run.partner_labels[1] = -1;
  CHECK_THROWS_AS(run_in_rows(run, kAllRows), std::invalid_argument);
  run.params.smoothing = 1.0F;
  CHECK_THROWS_AS(check_cross_entropy(run.params), std::invalid_argument);
  run.params.num_classes = 0;
  CHECK_THROWS_AS(check_cross_entropy(run.params), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests
