#include "apps/bench_memory.h"

#include <sys/resource.h>

#include "src/cuda/device.h"

namespace vim::apps {

double peak_memory_mib(const c10::Device& device) {
  constexpr double kMebibyte = 1 << 20;
  if (device.is_cuda()) {
    return static_cast<double>(cuda::memory().peak_allocated) / kMebibyte;
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

}  // namespace vim::apps
