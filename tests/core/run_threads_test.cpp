// Work done by several threads, and exceptions in one of them.
#include "src/core/run_threads.h"

#include <atomic>
#include <barrier>
#include <stdexcept>

#include "tests/support/catch.h"

TEST_CASE("All threads are at work at the same time") {
  std::barrier together(3);  // none gets past it before all have come
  std::atomic<int> passed = 0;
  vim::core::run_threads(3, [&] {
    together.arrive_and_wait();
    ++passed;
  });
  CHECK(passed == 3);
}

TEST_CASE("An exception in a thread reaches the caller after the others have ended") {
  std::atomic<int> turn = 0;
  std::atomic<int> ended = 0;
  const auto work = [&] {
    if (turn++ == 1) {
      throw std::runtime_error("the second one");
    }
    ++ended;
  };
  CHECK_THROWS_WITH(vim::core::run_threads(4, work), "the second one");
  CHECK(ended == 3);
}
