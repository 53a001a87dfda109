// AdamW's CUDA entry against the formula in double, on the GPU (VIM_TEST_CUDA) or emulated: the
// cases of the CPU test.
#include <stdexcept>

#include "tests/emulation/emulation.h"
#include "tests/kernels/adamw_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

constexpr int kSteps = 4;

void update_on(const KernelDevice& device, AdamWRun& run) {
  DeviceArena arena(device);
  const int64_t offset = run.test.offset;
  kernels::AdamWParams params = run.params;
  params.grad = arena.upload(run.grad) + offset;
  params.value = arena.upload(run.value) + offset;
  params.exp_avg = arena.upload(run.exp_avg) + offset;
  params.exp_avg_sq = arena.upload(run.exp_avg_sq) + offset;
  params.ema = params.ema == nullptr ? nullptr : arena.upload(run.ema) + offset;
  params.shadow = params.shadow == nullptr ? nullptr : arena.upload(run.shadow) + offset;
  params.lr = arena.upload(run.lr);
  params.step = arena.upload(run.step);
  params.grad_scale = params.grad_scale == nullptr ? nullptr : arena.upload(run.grad_scale);
  params.found_inf = arena.upload(run.found_inf);
  device.entries.adamw(params, nullptr);
  arena.download_all();
}

void run_step_on(const KernelDevice& device, AdamWRun& run, int number) {
  run.begin_step(number);
  update_on(device, run);
}

void run_all_steps_on(const KernelDevice& device, AdamWRun& run) {
  for (int number = 1; number <= kSteps; ++number) {
    run_step_on(device, run, number);
  }
}

void check_against_definition(const KernelDevice& device) {
  for (const AdamWCase& test : adamw_cases()) {
    INFO(device.name << ": " << test.name);
    AdamWRun run(test);
    AdamWOracle oracle(run);
    for (int number = 1; number <= kSteps; ++number) {
      run_step_on(device, run, number);
      oracle.advance(run);
    }
    check_against_oracle(run, oracle);
  }
}

void check_found_inf(const KernelDevice& device) {
  for (const AdamWCase& test : adamw_cases()) {
    INFO(device.name << ": " << test.name);
    AdamWRun run(test);
    const AdamWRun before(test);
    run.found_inf[0] = 1.0F;
    run_step_on(device, run, 1);
    CHECK(run == before);
  }
}

// Parameters whose gradients have been 0 from the beginning, as the store's padding is.
void check_zeros_stay(const KernelDevice& device) {
  AdamWRun run({"zeros", 11, 0.05, 2.0F, true, kernels::DType::kBFloat16});
  run.begin_step(1);
  for (auto* buffer : {&run.grad, &run.value, &run.ema}) {
    buffer->assign(buffer->size(), 0.0F);
  }
  update_on(device, run);
  CHECK(run.value == std::vector<float>(11));
  CHECK(run.ema == std::vector<float>(11));
  CHECK(run.shadow == std::vector<uint16_t>(11));
}

void check_all(const KernelDevice& device) {
  check_against_definition(device);
  check_found_inf(device);
  check_zeros_stay(device);
}

#ifdef VIM_TEST_CUDA
TEST_CASE("adamw on the GPU agrees with the formula in double", "[adamw][gpu]") {
  if (const KernelDevice* device = cuda_device()) check_all(*device);
}

TEST_CASE("adamw on the GPU gives the same bits every time", "[adamw][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const AdamWCase& test : adamw_cases()) {
    INFO(test.name);
    AdamWRun first(test);
    AdamWRun second(test);
    run_all_steps_on(*device, first);
    run_all_steps_on(*device, second);
    CHECK(first == second);
  }
}
#else
TEST_CASE("emulated adamw agrees with the formula in double", "[adamw][emulated]") {
  emulation::set_seed(1);
  check_all(emulated_device());
}

TEST_CASE("emulated adamw gives the CPU's bits in every order", "[adamw][emulated]") {
  for (const AdamWCase& test : adamw_cases()) {
    INFO(test.name);
    AdamWRun expected(test);
    for (int number = 1; number <= kSteps; ++number) {
      expected.begin_step(number);
      adamw(expected.params, {0, adamw_num_rows(expected.params)});
    }
    for (const uint64_t seed : {1, 2, 3}) {
      AdamWRun run(test);
      emulation::set_seed(seed);
      run_all_steps_on(emulated_device(), run);
      CHECK(run == expected);
    }
  }
}

TEST_CASE("adamw refuses impossible sizes before any launch", "[adamw][emulated]") {
  CHECK_THROWS_AS(emulated_device().entries.adamw({}, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
