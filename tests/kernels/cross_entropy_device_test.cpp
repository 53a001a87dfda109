// Cross-entropy's CUDA entries against the definition in double, on the GPU (VIM_TEST_CUDA) or
// emulated: the cases of the CPU test.
#include <cmath>
#include <stdexcept>

#include "tests/emulation/emulation.h"
#include "tests/kernels/loss_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

// Sums of float terms over threads, lanes and warps; exp and log are within two units in the last
// place.
constexpr double kLimit = 2e-6;

// Both entries, the second giving the mean loss.
float run_on(const KernelDevice& device, LossRun& run) {
  DeviceArena arena(device);
  std::vector<float> mean = {NAN};
  kernels::CrossEntropyParams params = run.params;
  params.logits = arena.upload(run.logits);
  params.labels = params.labels == nullptr ? nullptr : arena.upload(run.labels);
  params.partner_labels =
      params.partner_labels == nullptr ? nullptr : arena.upload(run.partner_labels);
  params.mix_lambda = params.mix_lambda == nullptr ? nullptr : arena.upload(run.mix_lambda);
  params.targets = arena.upload(run.targets);
  params.loss = arena.upload(run.loss);
  params.dlogits = params.dlogits == nullptr ? nullptr : arena.upload(run.dlogits);
  device.entries.cross_entropy(params, nullptr);
  const float scale = 1.0F / static_cast<float>(params.rows);
  device.entries.loss_sum({params.rows, scale, params.loss, arena.upload(mean)}, nullptr);
  arena.download_all();
  return mean[0];
}

void check_against_definition(const KernelDevice& device) {
  for (const LossCase& test : loss_cases()) {
    INFO(device.name << ": " << test.name);
    LossRun run(test);
    const float mean = run_on(device, run);
    const LossResults expected = loss_oracle(run.params);
    CHECK(max_error(from_floats(run.loss), expected.loss) < kLimit);
    CHECK(max_error(from_floats(run.dlogits), expected.dlogits) < kLimit);
    double sum = 0.0;
    for (const float loss : run.loss) sum += loss;
    CHECK(mean == Approx(sum / static_cast<double>(test.rows)).epsilon(1e-7));
  }
}

// The mean of more rows than loss_sum has threads, and not a multiple of them.
void check_loss_sum(const KernelDevice& device) {
  DeviceArena arena(device);
  std::vector<float> losses = to_floats(random_values(1001, 3, 10.0));
  std::vector<float> total = {NAN};
  device.entries.loss_sum({1001, 1.0F, arena.upload(losses), arena.upload(total)}, nullptr);
  arena.download_all();
  double expected = 0.0;
  for (const float loss : losses) expected += loss;
  CHECK(total[0] == static_cast<float>(expected));
}

void check_results_not_wanted(const KernelDevice& device) {
  const LossCase test{"no_gradient", 5, 100, 0.1, true};
  LossRun full(test);
  LossRun without(test);
  without.params.dlogits = nullptr;
  run_on(device, full);
  run_on(device, without);
  CHECK(full.loss == without.loss);
  CHECK(std::isnan(without.dlogits[0]));
}

// A logit that is not a number must show in the loss, whatever its place.
void check_nan_shows(const KernelDevice& device) {
  for (const int64_t at : {0, 1, 299}) {
    LossRun run({"nan", 1, 300, 0.1});
    run.logits[at] = NAN;
    run_on(device, run);
    CHECK(std::isnan(run.loss[0]));
    CHECK(std::isnan(run.dlogits[299 - at]));
  }
}

void check_all(const KernelDevice& device) {
  check_against_definition(device);
  check_loss_sum(device);
  check_results_not_wanted(device);
  check_nan_shows(device);
}

#ifdef VIM_TEST_CUDA
TEST_CASE("cross_entropy on the GPU agrees with the definition in double", "[loss][gpu]") {
  if (const KernelDevice* device = cuda_device()) check_all(*device);
}

TEST_CASE("cross_entropy on the GPU gives the same bits every time", "[loss][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const LossCase& test : loss_cases()) {
    INFO(test.name);
    LossRun first(test);
    LossRun second(test);
    CHECK(run_on(*device, first) == run_on(*device, second));
    CHECK(first.loss == second.loss);
    CHECK(first.dlogits == second.dlogits);
  }
}
#else
TEST_CASE("emulated cross_entropy agrees with the definition in double", "[loss][emulated]") {
  emulation::set_seed(1);
  check_all(emulated_device());
}

TEST_CASE("emulated cross_entropy gives the same bits in every order", "[loss][emulated]") {
  for (const LossCase& test : loss_cases()) {
    INFO(test.name);
    LossRun first(test);
    emulation::set_seed(1);
    const float mean = run_on(emulated_device(), first);
    for (const uint64_t seed : {2, 3, 4}) {
      LossRun other(test);
      emulation::set_seed(seed);
      CHECK(run_on(emulated_device(), other) == mean);
      CHECK(first.loss == other.loss);
      CHECK(first.dlogits == other.dlogits);
    }
  }
}

TEST_CASE("cross_entropy refuses impossible sizes before any launch", "[loss][emulated]") {
  const KernelDevice& device = emulated_device();
  CHECK_THROWS_AS(device.entries.cross_entropy({}, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(device.entries.loss_sum({}, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
