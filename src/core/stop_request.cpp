// A lock-free flag is all that a signal handler may touch.
#include "src/core/stop_request.h"

#include <atomic>
#include <csignal>
#include <initializer_list>

namespace vim::core {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void handle_stop(int signal_number) {
  if (signal_number == SIGINT && requested.load()) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  requested.store(true);
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action = {};
  action.sa_handler = handle_stop;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal_number : {SIGTERM, SIGINT, SIGUSR1}) {
    sigaction(signal_number, &action, nullptr);
  }
}

bool stop_requested() { return requested.load(); }

}  // namespace vim::core
