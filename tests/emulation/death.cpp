// A child process whose stderr the parent reads.
#include "tests/emulation/death.h"

#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/emulation/sanitizer.h"

namespace vim::tests {

bool has_address_sanitizer() {
#ifdef VIM_EMULATION_ASAN
  return true;
#else
  return false;
#endif
}

std::string death_of(const std::function<void()>& f) {
  int ends[2];
  if (pipe(ends) != 0) {
    throw std::runtime_error("pipe failed");
  }
  const pid_t child = fork();
  if (child < 0) {
    throw std::runtime_error("fork failed");
  }
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    f();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "" : text;
}

}  // namespace vim::tests
