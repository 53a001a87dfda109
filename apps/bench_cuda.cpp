// The CUDA kernels on the current GPU, timed with events on a stream of their own.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>

#include "apps/bench_device.h"
#include "apps/bench_probes.h"
#include "kernels/cuda/check.h"
#include "src/core/error.h"

namespace vim::apps {
namespace {

using kernels::cuda::check_cuda;

constexpr size_t kCopyBytes = size_t{1} << 30;  // one way
constexpr int kRateSamples = 5;
constexpr int64_t kLaunchesPerSample = 10;
constexpr int64_t kProbeBlocksPerMultiprocessor = 32;  // four times what runs at once

int attribute(cudaDeviceAttr which) {
  int device = 0;
  int value = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

std::string device_name() {
  int device = 0;
  cudaDeviceProp properties;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties.name;
}

class CudaDevice : public BenchDevice {
 public:
  CudaDevice() {
    traits_.name = device_name();
    traits_.cache_bytes = static_cast<size_t>(attribute(cudaDevAttrL2CacheSize));
    traits_.min_launches = kLaunchesPerSample;
    traits_.sample_seconds = 0.005;
    traits_.keeps_ungated_sum = true;
    check_cuda(cudaStreamCreate(&stream_), "cudaStreamCreate");
    check_cuda(cudaEventCreate(&start_), "cudaEventCreate");
    check_cuda(cudaEventCreate(&end_), "cudaEventCreate");
  }

  ~CudaDevice() override {
    cudaEventDestroy(end_);
    cudaEventDestroy(start_);
    cudaStreamDestroy(stream_);
  }

  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const BenchTraits& traits() const override { return traits_; }
  const kernels::DeviceEntries& entries() const override { return kernels::cuda::entries(); }
  void* stream() override { return stream_; }

  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    check_cuda(cudaMalloc(&memory, bytes), "cudaMalloc");
    return memory;
  }

  void release(void* memory) override { cudaFree(memory); }

  void upload(void* to, const void* host, size_t bytes) override {
    check_cuda(cudaMemcpy(to, host, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  }

  double seconds(int64_t count, const std::function<void()>& launch) override {
    check_cuda(cudaEventRecord(start_, stream_), "cudaEventRecord");
    for (int64_t i = 0; i < count; ++i) launch();
    check_cuda(cudaEventRecord(end_, stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float milliseconds = 0.0F;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, end_), "cudaEventElapsedTime");
    return milliseconds * 1e-3;
  }

  double copy_bytes_per_second() override {
    void* from = allocate(kCopyBytes);
    void* to = allocate(kCopyBytes);
    check_cuda(cudaMemsetAsync(from, 0x5A, kCopyBytes, stream_), "cudaMemsetAsync");
    const auto copy = [&] {
      check_cuda(
          cudaMemcpyAsync(to, from, kCopyBytes, cudaMemcpyDeviceToDevice, stream_),
          "cudaMemcpyAsync");
    };
    const double fastest = fastest_launch(copy);
    release(from);
    release(to);
    return 2.0 * static_cast<double>(kCopyBytes) / fastest;
  }

  double exponentials_per_second() override {
    const int64_t blocks =
        kProbeBlocksPerMultiprocessor * attribute(cudaDevAttrMultiProcessorCount);
    void* out = allocate(static_cast<size_t>(exp_probe_floats(blocks)) * sizeof(float));
    double count = 0.0;
    const double fastest = fastest_launch(
        [&] { count = launch_exp_probe(blocks, static_cast<float*>(out), stream_); });
    release(out);
    return count / fastest;
  }

 private:
  double fastest_launch(const std::function<void()>& launch) {
    seconds(1, launch);  // loads the kernel
    double fastest = seconds(kLaunchesPerSample, launch);
    for (int i = 1; i < kRateSamples; ++i) {
      fastest = std::min(fastest, seconds(kLaunchesPerSample, launch));
    }
    return fastest / static_cast<double>(kLaunchesPerSample);
  }

  BenchTraits traits_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace

std::unique_ptr<BenchDevice> make_cuda_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    throw Error(fmt::format(
        "--device cuda: no usable GPU ({}); pass --device cpu",
        error == cudaSuccess ? "none found" : cudaGetErrorString(error)));
  }
  return std::make_unique<CudaDevice>();
}

bool has_cuda_device() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

}  // namespace vim::apps
