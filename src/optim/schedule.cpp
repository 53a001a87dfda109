// One curve f(t) over t in epochs; the options only choose where it is read.
#include "src/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vim::optim {
namespace {

double rate_at(const ScheduleOptions& options, double base_lr, int64_t epochs, double time) {
  if (time < options.warmup_epochs) {
    return options.warmup_lr + time * (base_lr - options.warmup_lr) / options.warmup_epochs;
  }
  const auto end = static_cast<double>(epochs);
  if (time >= end) {
    return options.min_lr;
  }
  const double phase = std::numbers::pi * time / end;
  return options.min_lr + 0.5 * (base_lr - options.min_lr) * (1 + std::cos(phase));
}

}  // namespace

double peak_learning_rate(const AdamWOptions& options, int64_t global_batch) {
  constexpr double kReferenceBatch = 512;
  return options.scale_lr ? options.lr * static_cast<double>(global_batch) / kReferenceBatch
                          : options.lr;
}

double learning_rate(
    const ScheduleOptions& options,
    double base_lr,
    int64_t epochs,
    int64_t step,
    int64_t steps_per_epoch) {
  if (options.update == ScheduleUpdate::kStep) {
    const double time = static_cast<double>(step) / static_cast<double>(steps_per_epoch);
    return rate_at(options, base_lr, epochs, time);
  }
  const int64_t epoch = step / steps_per_epoch;
  const int64_t due = options.lag ? std::max<int64_t>(epoch - 1, 0) : epoch;
  return rate_at(options, base_lr, epochs, static_cast<double>(due));
}

}  // namespace vim::optim
