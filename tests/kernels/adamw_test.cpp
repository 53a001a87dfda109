// AdamW on the CPU against the formula in double.
#include "kernels/adamw.h"

#include <cmath>
#include <stdexcept>

#include "tests/kernels/adamw_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

constexpr int kSteps = 4;

void run_step(AdamWRun& run, int number, int64_t piece) {
  run.begin_step(number);
  run_in_pieces(adamw_num_rows(run.params), piece, [&](auto rows) { adamw(run.params, rows); });
}

TEST_CASE("adamw agrees with the formula in double over several steps", "[adamw]") {
  for (const AdamWCase& test : adamw_cases()) {
    INFO(test.name);
    AdamWRun run(test);
    AdamWOracle oracle(run);
    for (int number = 1; number <= kSteps; ++number) {
      run_step(run, number, number);
      oracle.advance(run);
    }
    check_against_oracle(run, oracle);
  }
}

TEST_CASE("adamw writes nothing where found_inf is set", "[adamw]") {
  for (const AdamWCase& test : adamw_cases()) {
    INFO(test.name);
    AdamWRun run(test);
    const AdamWRun before(test);
    run.found_inf[0] = 1.0F;
    run_step(run, 1, kAllRows);
    CHECK(run == before);
  }
}

TEST_CASE("adamw refuses factors out of range and missing arrays", "[adamw]") {
  const auto refuses = [](auto change) {
    AdamWRun run({"refused", 8, 0.0, 0.0F, true, kernels::DType::kBFloat16});
    change(run.params);
    CHECK_THROWS_AS(check_adamw(run.params), std::invalid_argument);
  };
  refuses([](auto& params) { params.size = 0; });
  refuses([](auto& params) { params.beta1 = 1.0; });
  refuses([](auto& params) { params.beta2 = NAN; });
  refuses([](auto& params) { params.eps = 0.0; });
  refuses([](auto& params) { params.weight_decay = -0.1; });
  refuses([](auto& params) { params.lr_scale = 0.0; });
  refuses([](auto& params) { params.ema_decay = 1.5; });
  refuses([](auto& params) { params.grad = nullptr; });
  refuses([](auto& params) { params.lr = nullptr; });
  refuses([](auto& params) { params.step = nullptr; });
  refuses([](auto& params) { params.shadow_dtype = kernels::DType::kFloat32; });
}

}  // namespace
}  // namespace vim::tests
