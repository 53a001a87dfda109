// A piece of work done by several threads at once.
#pragma once

#include <cstdint>
#include <functional>

namespace vim::core {

/// Calls `work` once in each of `num_threads` threads and returns when all have ended. Throws what
/// the first of them threw; the others are not stopped.
void run_threads(int64_t num_threads, const std::function<void()>& work);

}  // namespace vim::core
