// Selection of backends.
#include "tests/golden_runner/backend.h"

#include "kernels/backend.h"
#include "kernels/cuda/entries.h"
#include "src/cuda/device.h"
#include "src/ops/device_call.h"

namespace vim::golden {
namespace {

std::string& selected() {
  static std::string name;
  return name;
}

}  // namespace

std::vector<std::string> kernel_backends() {
  std::vector<std::string> names = kernels::cpu_backends();
  names.emplace_back(kEmulated);
  if (cuda::is_available()) {
    names.emplace_back(kCuda);
  }
  return names;
}

void select_backend(const std::string& name) {
  selected() = name;
  ops::override_device_entries(name == kEmulated ? &kernels::emulated::entries() : nullptr);
  if (name != kEmulated && name != kCuda) {
    kernels::select_cpu_backend(name);
  }
}

c10::Device device() {
  return selected() == kCuda ? c10::Device(c10::DeviceType::CUDA, 0)
                             : c10::Device(c10::DeviceType::CPU);
}

double limit(double on_cpu, double on_gpu) {
  return selected() == kEmulated || selected() == kCuda ? on_gpu : on_cpu;
}

}  // namespace vim::golden
