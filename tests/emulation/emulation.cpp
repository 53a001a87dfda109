// The launch: what a device would refuse, the shared memory with its guards, the blocks in turn.
#include "tests/emulation/emulation.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/emulation/block.h"
#include "tests/emulation/shared_memory.h"

__thread uint3 threadIdx;
__thread uint3 blockIdx;
__thread dim3 blockDim;
__thread dim3 gridDim;

namespace emulation {
namespace {

constexpr uint64_t kMaxGridX = 0x7FFFFFFF;
constexpr uint64_t kMaxGridYz = 65535;
constexpr uint64_t kMaxBlockThreads = 1024;
constexpr uint64_t kMaxBlockZ = 64;
constexpr size_t kDefaultSharedBytes = 48 << 10;
constexpr size_t kMaxSharedBytes = 227 << 10;

// What belongs to one OS thread: its runs do not touch another's.
struct State {
  Random random{0};
  cudaError_t last_error = cudaSuccess;
  std::map<const void*, size_t> shared_limits;
  SharedMemory shared;
};

State& state() {
  thread_local State current;
  return current;
}

cudaError_t check_launch(const Launch& launch) {
  const dim3& grid = launch.grid;
  const dim3& block = launch.block;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) {
    return cudaErrorInvalidConfiguration;
  }
  if (grid.x > kMaxGridX || grid.y > kMaxGridYz || grid.z > kMaxGridYz) {
    return cudaErrorInvalidConfiguration;
  }
  if (threads > kMaxBlockThreads || block.z > kMaxBlockZ) {
    return cudaErrorInvalidConfiguration;
  }
  const auto found = state().shared_limits.find(launch.function);
  const size_t limit = found == state().shared_limits.end() ? kDefaultSharedBytes : found->second;
  return launch.shared_bytes > limit ? cudaErrorInvalidValue : cudaSuccess;
}

std::vector<uint64_t> shuffled_blocks(const dim3& grid, Random& random) {
  std::vector<uint64_t> order(uint64_t{grid.x} * grid.y * grid.z);
  std::iota(order.begin(), order.end(), uint64_t{0});
  for (uint64_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(i)]);
  }
  return order;
}

}  // namespace

void set_seed(uint64_t seed) { state().random = Random{seed}; }

uint64_t num_switches() { return current_block().num_switches(); }

void* block_shared_memory() { return state().shared.data(); }

void run_grid(const Launch& launch, void (*body)(const void* context), const void* context) {
  State& own = state();
  own.last_error = check_launch(launch);
  if (own.last_error != cudaSuccess) {
    return;
  }
  gridDim = launch.grid;
  blockDim = launch.block;
  current_block().prepare(launch, body, context);
  own.shared.resize(launch.shared_bytes);
  for (const uint64_t index : shuffled_blocks(launch.grid, own.random)) {
    blockIdx.x = static_cast<unsigned>(index % launch.grid.x);
    blockIdx.y = static_cast<unsigned>(index / launch.grid.x % launch.grid.y);
    blockIdx.z = static_cast<unsigned>(index / launch.grid.x / launch.grid.y);
    own.shared.poison();
    current_block().run(own.random);
    if (!own.shared.guards_intact()) {
      throw std::runtime_error(
          std::string("emulation: ") + launch.name + ", block " + block_name() +
          ": a write beyond its " + std::to_string(launch.shared_bytes) +
          " bytes of shared memory");
    }
  }
}

}  // namespace emulation

cudaError_t cudaGetLastError() {
  const cudaError_t error = emulation::state().last_error;
  emulation::state().last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return emulation::state().last_error; }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
  }
  return "unrecognized error code";
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  emulation::State& own = emulation::state();
  const bool is_known = attribute == cudaFuncAttributeMaxDynamicSharedMemorySize;
  if (!is_known || value < 0 || static_cast<size_t>(value) > emulation::kMaxSharedBytes) {
    own.last_error = cudaErrorInvalidValue;
    return own.last_error;
  }
  own.shared_limits[function] = std::max<size_t>(value, emulation::kDefaultSharedBytes);
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 2;
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return cudaSuccess;
}
