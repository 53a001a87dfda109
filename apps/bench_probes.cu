#include "apps/bench_probes.h"

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"

namespace vim::apps {
namespace {

namespace device = kernels::VIM_CUDA_NAMESPACE;

constexpr int kThreads = 256;
constexpr int kChains = 8;  // independent, so that one does not wait for another
constexpr int kRounds = 4096;
constexpr int kUnrolled = 16;

// Chains of x = 2^-x, which settle at 0.64; the sign is part of the instruction.
__global__ void __launch_bounds__(kThreads) exp_probe_kernel(float* out) {
  float x[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) {
    x[i] = 0.125F * static_cast<float>(i);
  }
#pragma unroll 1
  for (int round = 0; round < kRounds; round += kUnrolled) {
#pragma unroll
    for (int i = 0; i < kUnrolled * kChains; ++i) {
      x[i % kChains] = device::fast_exp2(-x[i % kChains]);
    }
  }
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < kChains; ++i) {
    sum += x[i];
  }
  out[static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x] = sum;
}

}  // namespace

double launch_exp_probe(int64_t blocks, float* out, void* stream) {
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks));
  shape.block = dim3(kThreads);
  shape.stream = static_cast<cudaStream_t>(stream);
  VIM_LAUNCH(exp_probe_kernel, shape, out);
  return static_cast<double>(blocks) * kThreads * kChains * kRounds;
}

int64_t exp_probe_floats(int64_t blocks) { return blocks * kThreads; }

}  // namespace vim::apps
