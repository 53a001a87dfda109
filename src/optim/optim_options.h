// Options of optimizer, learning-rate schedule and weight average. Free of LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vim::optim {

struct AdamWOptions {
  double lr = 5e-4;
  bool scale_lr = true;  // lr * global_batch / 512, the official linear rule
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.05;
  bool decay_A_log = true;          // official: A_log and A_b_log are decayed
  std::optional<double> clip_norm;  // absent: no clipping
  double layer_decay = 1.0;  // factor of the learning rate from one layer to the one before it
  std::vector<std::string> freeze = {};         // patterns (fnmatch) of names that are not trained
  std::vector<std::string> freeze_except = {};  // patterns of those that are, all the same
};

/// Whether the rate changes between epochs, with the official lag of one epoch, or in every step.
enum class ScheduleUpdate { kEpoch, kStep };

struct ScheduleOptions {
  double warmup_epochs = 5;
  double warmup_lr = 1e-6;
  double min_lr = 1e-5;
  ScheduleUpdate update = ScheduleUpdate::kEpoch;
  bool lag = true;  // update by epoch: epoch e trains with f(e - 1), as the official script does
  // false: an epoch that a run is resumed at the beginning of trains without the lag, with f(e), as
  // officially (vim_spec Q15); true: as if the run had not been interrupted
  bool resume_lag = true;
};

struct EmaOptions {
  bool enabled = true;
  double decay = 0.99996;
  bool evaluate = true;  // the average too, whenever the trained weights are evaluated
};

}  // namespace vim::optim
