// Wall-clock time only: processor time would hide waiting.
#include "src/train/speed_meter.h"

#include <fmt/format.h>

#include <algorithm>

namespace vim::train {

void SpeedMeter::restart(const data::LoaderStats& loader) {
  start_ = std::chrono::steady_clock::now();
  at_start_ = loader;
  images_ = 0;
}

Speed SpeedMeter::measure(const data::LoaderStats& loader) const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  const double seconds = std::max(elapsed.count(), 1e-9);
  Speed speed;
  speed.images_per_second = static_cast<double>(images_) / seconds;
  speed.data_wait_share = (loader.wait_seconds - at_start_.wait_seconds) / seconds;
  speed.stages = loader.stages - at_start_.stages;
  return speed;
}

std::string format_stages(const data::StageSeconds& stages) {
  const double sum = stages.read + stages.decode + stages.resize + stages.augment;
  if (sum <= 0) {
    return "";
  }
  const double percent = 100.0 / sum;
  return fmt::format(
      "read {:.0f}, decode {:.0f}, resize {:.0f}, augment {:.0f} %",
      percent * stages.read,
      percent * stages.decode,
      percent * stages.resize,
      percent * stages.augment);
}

std::string format_duration(double seconds) {
  const auto total = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

}  // namespace vim::train
