// Learning rate over a run: linear warm-up, then cosine (vim_spec 6.4).
#pragma once

#include <cstdint>

#include "src/optim/optim_options.h"

namespace vim::optim {

/// The peak rate: lr, or lr * global_batch / 512 with scale_lr (the official linear rule).
double peak_learning_rate(const AdamWOptions& options, int64_t global_batch);

/// The rate that training step `step` (from 0, over the whole run) uses. base_lr is the peak rate.
/// The cosine is measured from step 0, not from the end of the warm-up, and falls to min_lr at
/// `epochs`. ScheduleUpdate::kEpoch: constant in an epoch; with `lag`, epoch e uses the value due
/// at e - 1, and epoch 0 that due at 0, as the official script does. ScheduleUpdate::kStep: follows
/// step / steps_per_epoch without lag. Computed in double.
double learning_rate(
    const ScheduleOptions& options,
    double base_lr,
    int64_t epochs,
    int64_t step,
    int64_t steps_per_epoch);

}  // namespace vim::optim
