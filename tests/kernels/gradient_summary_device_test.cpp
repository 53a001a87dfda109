// The gradient summary's CUDA entries against the CPU entry, on the GPU (VIM_TEST_CUDA) or
// emulated.
#include <cmath>
#include <stdexcept>
#include <utility>

#include "kernels/gradient_summary.h"
#include "tests/emulation/emulation.h"
#include "tests/kernels/kernel_buffers.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

// A thread adds a few hundred squares in float.
constexpr double kLimit = 1e-6;

struct SummaryCase {
  const char* name;
  int64_t size;
  double max_norm = 0.0;
  float loss_scale = 0.0F;        // 0: there is none
  std::vector<int64_t> bad = {};  // indices of gradients that are not finite
  double loss = 1.0;
};

// One value and less than an access, the end of blocks, of a stretch and of all blocks together.
const std::vector<SummaryCase>& summary_cases() {
  static const std::vector<SummaryCase> cases = {
      {"one", 1},
      {"three", 3, 0.5},
      {"less_than_a_block", 1000, 0.5},
      {"odd", 4099, 100.0, 1024.0F},
      {"many", 70000, 1.0},
      {"bad_first", 5000, 1.0, 0.0F, {0, 4999}},
      {"bad_late", 70000, 0.0, 2.0F, {69999}},
      {"bad_in_two_blocks", 70000, 1.0, 0.0F, {40000, 20001}},
      {"bad_loss", 1000, 1.0, 0.0F, {}, INFINITY}};
  return cases;
}

struct SummaryRun {
  explicit SummaryRun(const SummaryCase& test)
      : gradients(to_floats(random_values(test.size, 1))),
        loss_scale(test.loss_scale == 0.0F ? 0 : 1, test.loss_scale),
        loss(1, test.loss) {
    for (const int64_t index : test.bad) {
      gradients[static_cast<size_t>(index)] = index % 2 == 0 ? NAN : -INFINITY;
    }
    params.size = test.size;
    params.max_norm = test.max_norm;
    params.gradients = gradients.data();
    params.loss_scale = loss_scale.empty() ? nullptr : loss_scale.data();
    params.loss = loss.data();
    params.values = values.data();
    params.found_inf = found_inf.data();
    params.grad_scale = grad_scale.data();
  }

  std::vector<float> gradients;
  std::vector<float> loss_scale;
  std::vector<double> loss;
  std::vector<double> values = std::vector<double>(kernels::kNumGradientSummaryValues, NAN);
  std::vector<float> found_inf = {NAN};
  std::vector<float> grad_scale = {NAN};
  kernels::GradientSummaryParams params;
};

// shift: floats by which the gradients start off the grid of vector accesses.
void run_on(const KernelDevice& device, SummaryRun& run, size_t shift) {
  DeviceArena arena(device);
  std::vector<float> shifted(shift, NAN);
  shifted.insert(shifted.end(), run.gradients.begin(), run.gradients.end());
  kernels::GradientSummaryParams params = run.params;
  params.gradients = arena.upload(std::as_const(shifted)) + shift;
  params.loss_scale = arena.upload(std::as_const(run.loss_scale));
  params.loss = arena.upload(std::as_const(run.loss));
  params.values = arena.upload(run.values);
  params.found_inf = arena.upload(run.found_inf);
  params.grad_scale = arena.upload(run.grad_scale);
  params.workspace = arena.workspace(device.entries.gradient_summary_workspace_size(params));
  device.entries.gradient_summary(params, nullptr);
  arena.download_all();
}

bool is_near(double actual, double expected) {
  const bool are_finite = std::isfinite(actual) && std::isfinite(expected);
  return are_finite ? std::abs(actual - expected) <= kLimit * std::abs(expected)
                    : std::isfinite(actual) == std::isfinite(expected);
}

void check_against_cpu(const KernelDevice& device) {
  for (const SummaryCase& test : summary_cases()) {
    for (const size_t shift : {0, 1}) {
      INFO(device.name << ": " << test.name << ", shift " << shift);
      SummaryRun expected(test);
      kernels::gradient_summary(expected.params);
      SummaryRun run(test);
      run_on(device, run, shift);
      CHECK(is_near(run.values[kernels::kGradientNorm], expected.values[kernels::kGradientNorm]));
      CHECK(is_near(run.grad_scale[0], expected.grad_scale[0]));
      CHECK(run.found_inf == expected.found_inf);
      for (const auto value : {kernels::kGradientFoundInf, kernels::kFirstNonFinite}) {
        CHECK(run.values[value] == expected.values[value]);
      }
      SummaryRun again(test);
      run_on(device, again, shift);
      CHECK(again.grad_scale == run.grad_scale);
    }
  }
}

#ifdef VIM_TEST_CUDA
TEST_CASE("gradient_summary on the GPU agrees with the CPU's", "[summary]") {
  if (const KernelDevice* device = cuda_device()) {
    check_against_cpu(*device);
  }
}
#else
TEST_CASE(
    "emulated gradient_summary agrees with the CPU's, in every order", "[summary][emulated]") {
  for (const uint64_t seed : {1, 2}) {
    emulation::set_seed(seed);
    check_against_cpu(emulated_device());
  }
}

TEST_CASE("gradient_summary refuses impossible sizes before any launch", "[summary][emulated]") {
  CHECK_THROWS_AS(emulated_device().entries.gradient_summary({}, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
