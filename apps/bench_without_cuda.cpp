// In place of bench_cuda.cpp where no CUDA kernels are built.
#include "apps/bench_device.h"
#include "src/core/error.h"

namespace vim::apps {

std::unique_ptr<BenchDevice> make_cuda_device() {
  throw Error(
      "--device cuda: this program was built with VIM_CUDA=OFF; build it with CUDA kernels, or "
      "pass --device cpu");
}

bool has_cuda_device() { return false; }

}  // namespace vim::apps
