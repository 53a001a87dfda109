// Builds without libtorch_cuda: there is no device.
#include "src/cuda/device.h"

namespace vim::cuda {

struct StreamScope::Impl {};

bool is_built() { return false; }
bool is_available() { return false; }
std::string device_name() { return {}; }
Memory memory() { return {}; }
void reset_peak_memory() {}
void synchronize() {}
void allow_tf32(bool) {}

std::shared_ptr<uint8_t[]> allocate_pinned(size_t num_bytes) {
  return std::shared_ptr<uint8_t[]>(new uint8_t[num_bytes]);
}

StreamScope::StreamScope() = default;
StreamScope::~StreamScope() = default;

}  // namespace vim::cuda
