// How far a long pass has come, on standard error: one line written anew on a terminal, a line from
// time to time otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vim::apps {

/// "37 of 100 (37 %), 512.0 img/s, 1 min 13 s left". `done` images of `total`, `fresh` of which
/// took `seconds`; without a rate as long as there is none.
std::string progress_text(int64_t done, int64_t total, int64_t fresh, double seconds);

class Progress {
 public:
  /// `first`: images that an earlier run has done.
  Progress(std::string title, int64_t total, int64_t first);

  /// Shows the state if it is time to. A terminal always sees the last image.
  void update(int64_t done);

  /// Ends the terminal's line.
  void finish();

  /// Since construction.
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string title_;
  int64_t total_;
  int64_t first_;
  bool is_terminal_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool has_line_ = false;  // an unfinished one
};

}  // namespace vim::apps
