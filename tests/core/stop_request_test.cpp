#include "src/core/stop_request.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"

namespace vim::core {
namespace {

// The flag is never taken back, so everything that raises a signal does so in a child process.
// Returns waitpid's status of a child that runs `body` and exits with its result.
template <typename Body>
int status_of_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }

TEST_CASE("each stop signal sets the request and leaves the process alive") {
  for (const int signal_number : {SIGUSR1, SIGTERM, SIGINT}) {
    CAPTURE(signal_number);
    const int status = status_of_child([signal_number] {
      install_stop_handlers();
      const bool was_requested = stop_requested();
      std::raise(signal_number);
      return !was_requested && stop_requested() ? 0 : 1;
    });
    CHECK(exit_code(status) == 0);
  }
}

TEST_CASE("a repeated SIGUSR1 leaves the process alive") {
  const int status = status_of_child([] {
    install_stop_handlers();
    std::raise(SIGUSR1);
    std::raise(SIGUSR1);
    return 0;
  });
  CHECK(exit_code(status) == 0);
}

TEST_CASE("a second SIGINT ends the process at once") {
  const int status = status_of_child([] {
    install_stop_handlers();
    std::raise(SIGINT);
    std::raise(SIGINT);
    return 0;
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("nothing is requested before a signal arrives") { CHECK_FALSE(stop_requested()); }

}  // namespace
}  // namespace vim::core
