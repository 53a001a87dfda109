// How fast a run goes between two console lines, and how long it waits for data.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vim::train {

struct Speed {
  double images_per_second = 0.0;
  double data_wait_share = 0.0;  // of the wall-clock time, 0..1
};

class SpeedMeter {
 public:
  /// Begins an interval. wait_seconds: what the loader has waited so far in all.
  void restart(double wait_seconds);

  void count(int64_t images) { images_ += images; }

  /// Speed since restart.
  Speed measure(double wait_seconds) const;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double wait_at_start_ = 0.0;
  int64_t images_ = 0;
};

/// "2:05:09" for 7509 seconds; days become hours.
std::string format_duration(double seconds);

}  // namespace vim::train
