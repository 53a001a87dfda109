// Builds with libtorch_cuda. Everything also works, as without a device, where no driver is.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include "src/cuda/device.h"

namespace vim::cuda {
namespace {

using c10::cuda::CUDACachingAllocator::getDeviceStats;

constexpr auto kAllTensors = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

c10::DeviceIndex current() { return c10::cuda::current_device(); }

}  // namespace

struct StreamScope::Impl {
  c10::cuda::CUDAStreamGuard guard{c10::cuda::getStreamFromPool(/*isHighPriority=*/true)};
};

bool is_built() { return true; }

bool is_available() { return c10::cuda::device_count() > 0; }

std::string device_name() {
  return is_available() ? at::cuda::getCurrentDeviceProperties()->name : std::string();
}

Memory memory() {
  if (!is_available()) {
    return {};
  }
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);  // the allocator's, too
  const auto stats = getDeviceStats(current());
  Memory result;
  result.allocated = stats.allocated_bytes[kAllTensors].current;
  result.peak_allocated = stats.allocated_bytes[kAllTensors].peak;
  result.peak_reserved = stats.reserved_bytes[kAllTensors].peak;
  size_t free = 0;
  size_t total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  result.free = static_cast<int64_t>(free);
  result.total = static_cast<int64_t>(total);
  return result;
}

void reset_peak_memory() {
  if (is_available()) {
    at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
    c10::cuda::CUDACachingAllocator::resetPeakStats(current());
  }
}

void synchronize() {
  if (is_available()) {
    c10::cuda::device_synchronize();
  }
}

void allow_tf32(bool is_allowed) {
  at::globalContext().setFloat32MatmulPrecision(is_allowed ? "high" : "highest");
}

std::shared_ptr<uint8_t[]> allocate_pinned(size_t num_bytes) {
  if (!is_available()) {
    return std::shared_ptr<uint8_t[]>(new uint8_t[num_bytes]);
  }
  const at::Tensor bytes = at::empty(
      {static_cast<int64_t>(num_bytes)}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  // The tensor lives as long as the pointer.
  return {bytes.mutable_data_ptr<uint8_t>(), [bytes](uint8_t*) {}};
}

StreamScope::StreamScope() {
  if (is_available()) {
    synchronize();
    impl_ = std::make_unique<Impl>();
  }
}

StreamScope::~StreamScope() {
  if (impl_) {
    c10::cuda::getCurrentCUDAStream().synchronize();
  }
}

}  // namespace vim::cuda
