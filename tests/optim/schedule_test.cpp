// The official recipes' rates, epoch by epoch, are compared in the golden runner (lr_schedule).
#include "src/optim/schedule.h"

#include <cmath>

#include "tests/support/catch.h"

namespace vim::optim {

TEST_CASE("updated by step, the rate rises linearly and then follows the cosine from step 0") {
  ScheduleOptions options;
  options.update = ScheduleUpdate::kStep;
  options.warmup_epochs = 2;
  options.warmup_lr = 0.1;
  options.min_lr = 0.2;
  const auto rate = [&](int64_t step) { return learning_rate(options, 1.0, 8, step, 10); };
  CHECK(rate(0) == Approx(0.1));
  CHECK(rate(5) == Approx(0.1 + 0.9 / 4));
  CHECK(
      rate(20) ==
      Approx(0.2 + 0.4 * (1 + std::sqrt(0.5))));  // a quarter of the way: cos 45 degrees
  CHECK(rate(40) == Approx(0.6));
  CHECK(rate(80) == Approx(0.2));
}

TEST_CASE("the linear rule scales the rate with the global batch") {
  AdamWOptions options;
  options.lr = 5e-4;
  CHECK(peak_learning_rate(options, 1024) == Approx(1e-3).epsilon(1e-12));
  CHECK(peak_learning_rate(options, 64) == Approx(6.25e-5).epsilon(1e-12));
  options.scale_lr = false;
  CHECK(peak_learning_rate(options, 1024) == 5e-4);
}

}  // namespace vim::optim
