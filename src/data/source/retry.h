// Reads that fail for a moment, as network file systems' do, are tried again.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace vim::data {

/// How often a read is tried and how long it waits in between.
struct RetryPolicy {
  int tries = 6;
  std::chrono::milliseconds first_pause{50};  // each further one lasts twice as long: 1.55 s in all
  std::function<void(std::chrono::milliseconds)> sleep;  // empty: the thread sleeps
};

struct RetryResult {
  int code = 0;   // 0, or what the last attempt returned
  int tries = 1;  // attempts made; those that a signal interrupted do not count
};

/// Whether an errno value may be gone at the next attempt: an input/output error, a stale handle, a
/// time-out, a network or host that is down or unreachable, and the like.
bool is_passing_error(int code);

/// Calls `attempt` until it returns 0, a code that is no passing error, or a passing one for the
/// last time. EINTR is tried again at once, as often as it comes. The first passing error is logged
/// as a warning with `name`.
RetryResult retry(
    const std::function<int()>& attempt, const RetryPolicy& policy, const std::string& name);

/// The system's text for the last code, with the number of tries if there were several:
/// "Input/output error after 6 tries".
std::string reason_of(const RetryResult& result);

}  // namespace vim::data
