// How fast a run goes between two console lines, and how long it waits for data.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "src/data/loader.h"

namespace vim::train {

struct Speed {
  double images_per_second = 0.0;
  double data_wait_share = 0.0;  // of the wall-clock time, 0..1
  data::StageSeconds stages;     // what the loader's workers have done
};

class SpeedMeter {
 public:
  /// Begins an interval. `loader`: its counts so far.
  void restart(const data::LoaderStats& loader);

  void count(int64_t images) { images_ += images; }

  /// Speed since restart.
  Speed measure(const data::LoaderStats& loader) const;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  data::LoaderStats at_start_;
  int64_t images_ = 0;
};

/// "read 3, decode 61, resize 22, augment 14 %": the shares of the workers' time; empty where they
/// have done nothing.
std::string format_stages(const data::StageSeconds& stages);

/// "2:05:09" for 7509 seconds; days become hours.
std::string format_duration(double seconds);

}  // namespace vim::train
