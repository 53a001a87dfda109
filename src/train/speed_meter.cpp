// Wall-clock time only: processor time would hide waiting.
#include "src/train/speed_meter.h"

#include <fmt/format.h>

#include <algorithm>

namespace vim::train {

void SpeedMeter::restart(double wait_seconds) {
  start_ = std::chrono::steady_clock::now();
  wait_at_start_ = wait_seconds;
  images_ = 0;
}

Speed SpeedMeter::measure(double wait_seconds) const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  const double seconds = std::max(elapsed.count(), 1e-9);
  return {static_cast<double>(images_) / seconds, (wait_seconds - wait_at_start_) / seconds};
}

std::string format_duration(double seconds) {
  const auto total = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

}  // namespace vim::train
