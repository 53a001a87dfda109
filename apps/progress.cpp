// A terminal is written to five times a second, a log file every ten seconds.
#include "apps/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

namespace vim::apps {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{200};
constexpr std::chrono::seconds kLogInterval{10};

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole >= 3600) {
    return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  }
  return whole >= 60 ? fmt::format("{} min {} s", whole / 60, whole % 60)
                     : fmt::format("{} s", whole);
}

}  // namespace

std::string progress_text(const ProgressState& state, const std::string& unit) {
  const int64_t percent = state.total > 0 ? 100 * state.done / state.total : 100;
  std::string text = fmt::format("{} of {} {} ({} %)", state.done, state.total, unit, percent);
  if (state.fresh > 0 && state.seconds > 0.0) {
    const double rate = static_cast<double>(state.fresh) / state.seconds;
    const double left = static_cast<double>(state.total - state.done) / rate;
    text += fmt::format(", {:.1f} {}/s, {} left", rate, unit, duration_text(left));
  }
  return text;
}

Progress::Progress(std::string title, std::string unit, int64_t total, int64_t first)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      first_(first),
      is_terminal_(::isatty(STDERR_FILENO) != 0) {}

void Progress::update(int64_t done) {
  const Clock::time_point now = Clock::now();
  const bool is_last = is_terminal_ && done == total_;
  const Clock::duration interval =
      is_terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kLogInterval);
  if (!is_last && now - shown_ < interval) {
    return;
  }
  shown_ = now;
  const std::string text = progress_text({done, total_, done - first_, seconds()}, unit_);
  if (is_terminal_) {
    // The escape clears what a longer line has left.
    fmt::print(stderr, "\r{}: {}\x1B[K", title_, text);
    has_line_ = true;
  } else {
    fmt::print(stderr, "{}: {}\n", title_, text);
  }
  std::fflush(stderr);
}

void Progress::finish() {
  if (has_line_) {
    fmt::print(stderr, "\n");
    has_line_ = false;
  }
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace vim::apps
