// A pause doubles each time: a server that restarts is given time, one hiccup costs little.
#include "src/data/source/retry.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "src/core/logging.h"

namespace vim::data {

bool is_passing_error(int code) {
  switch (code) {
    case EIO:
    case ESTALE:
    case ETIMEDOUT:
    case EAGAIN:
    case EBUSY:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOTCONN:
    case ESHUTDOWN:
    case EREMOTEIO:
      return true;
    default:
      return false;
  }
}

RetryResult retry(
    const std::function<int()>& attempt, const RetryPolicy& policy, const std::string& name) {
  RetryResult result;
  std::chrono::milliseconds pause = policy.first_pause;
  while ((result.code = attempt()) != 0) {
    if (result.code == EINTR) {
      continue;
    }
    if (!is_passing_error(result.code) || result.tries >= policy.tries) {
      return result;
    }
    if (result.tries == 1) {
      spdlog::warn("{}: {}; trying again", name, std::strerror(result.code));
    }
    if (policy.sleep) {
      policy.sleep(pause);
    } else {
      std::this_thread::sleep_for(pause);
    }
    pause *= 2;
    ++result.tries;
  }
  return result;
}

std::string reason_of(const RetryResult& result) {
  const std::string reason = std::strerror(result.code);
  return result.tries == 1 ? reason : fmt::format("{} after {} tries", reason, result.tries);
}

}  // namespace vim::data
