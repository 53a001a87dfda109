// How far a long pass has come, on standard error: one line written anew on a terminal, a line from
// time to time otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vim::apps {

/// How much of something is done, and how much of that by this run, which has taken `seconds`.
struct ProgressState {
  int64_t done = 0;
  int64_t total = 0;
  int64_t fresh = 0;
  double seconds = 0.0;
};

/// "37 of 100 img (37 %), 512.0 img/s, 1 min 13 s left"; without a rate as long as there is none.
std::string progress_text(const ProgressState& state, const std::string& unit);

class Progress {
 public:
  /// `unit` is "img" or "MB"; `first`: what an earlier run has done.
  Progress(std::string title, std::string unit, int64_t total, int64_t first = 0);

  /// Shows the state if it is time to. A terminal always sees the end.
  void update(int64_t done);

  /// Ends the terminal's line.
  void finish();

  /// Since construction.
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string title_;
  std::string unit_;
  int64_t total_;
  int64_t first_;
  bool is_terminal_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool has_line_ = false;  // an unfinished one
};

}  // namespace vim::apps
