// Exceptions cannot leave a thread: the first one is kept and thrown again by the caller.
#include "src/core/run_threads.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vim::core {

void run_threads(int64_t num_threads, const std::function<void()>& work) {
  std::mutex mutex;
  std::exception_ptr failure;
  {
    std::vector<std::jthread> threads;
    for (int64_t i = 0; i < num_threads; ++i) {
      threads.emplace_back([&] {
        try {
          work();
        } catch (...) {
          const std::lock_guard lock(mutex);
          failure = failure ? failure : std::current_exception();
        }
      });
    }
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace vim::core
