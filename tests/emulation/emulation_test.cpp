// The emulation finds what a device would answer with garbage or a hang: planted faults, each
// beside the sound kernel it came from.
#include <cmath>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"
#include "tests/emulation/death.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using namespace kernels;
using namespace kernels::emulated;

LaunchShape shape_of(dim3 grid, dim3 block, size_t shared_bytes = 0) {
  LaunchShape shape;
  shape.grid = grid;
  shape.block = block;
  shape.shared_bytes = shared_bytes;
  return shape;
}

/// What run throws, or "" if it does not.
std::string thrown_by(const std::function<void()>& run) {
  try {
    run();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// -- order and races ------------------------------------------------------------------------------

// Two warps write one word without a barrier between them.
__global__ void race_kernel(int* out) {
  int* word = block_shared<int>();
  if (threadIdx.x % kWarpSize == 0) {
    *word = static_cast<int>(threadIdx.x);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    *out = *word;
  }
}

// Every thread reads what the thread half a block away wrote.
__global__ void exchange_kernel(float* out, bool has_barrier) {
  float* values = block_shared<float>();
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (has_barrier) {
    __syncthreads();
  }
  out[threadIdx.x] = values[(threadIdx.x + blockDim.x / 2) % blockDim.x];
}

std::vector<float> run_exchange(uint64_t seed, bool has_barrier) {
  std::vector<float> out(128, -1.0F);
  emulation::set_seed(seed);
  VIM_LAUNCH(exchange_kernel, shape_of(1, 128, 128 * sizeof(float)), out.data(), has_barrier);
  return out;
}

TEST_CASE("a race between warps gives different results for different seeds", "[emulation]") {
  std::set<int> results;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    int out = -1;
    emulation::set_seed(seed);
    VIM_LAUNCH(race_kernel, shape_of(1, 64, sizeof(int)), &out);
    results.insert(out);
  }
  CHECK(results == std::set<int>{0, 32});
}

TEST_CASE("a missing barrier lets a thread read poison", "[emulation]") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const std::vector<float> sound = run_exchange(seed, true);
    const std::vector<float> faulty = run_exchange(seed, false);
    int num_poisoned = 0;
    for (int i = 0; i < 128; ++i) {
      CHECK(sound[i] == static_cast<float>((i + 64) % 128));
      num_poisoned += std::isnan(faulty[i]) ? 1 : 0;
    }
    CHECK(num_poisoned == 64);  // of each pair, the one that ran first
  }
}

__global__ void order_kernel(std::vector<int>* order) {
  order->push_back(static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
}

std::vector<int> run_order(uint64_t seed) {
  std::vector<int> order;
  emulation::set_seed(seed);
  VIM_LAUNCH(order_kernel, shape_of(8, 16), &order);
  return order;
}

// Copies a word into shared memory beside the thread, and a zero where there is none.
__global__ void async_copy_kernel(const float* from, float* out, bool waits_first) {
  float* words = block_shared<float>();
  copy_async<4>(words, from, true);
  copy_async<4>(words + 1, from, false);
  if (waits_first) wait_for_copies();
  out[0] = words[0];
  out[1] = words[1];
  if (!waits_first && std::isnan(words[0])) wait_for_copies();
}

TEST_CASE("a copy that nobody waits for arrives late, or is an error", "[emulation]") {
  const float from = 3.0F;
  float out[2];
  const LaunchShape shape = shape_of(1, 1, 8);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    emulation::set_seed(seed);
    VIM_LAUNCH(async_copy_kernel, shape, &from, out, true);
    CHECK(out[0] == 3.0F);
    CHECK(out[1] == 0.0F);
  }
  bool was_late = false;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    emulation::set_seed(seed);
    const std::string error =
        thrown_by([&] { VIM_LAUNCH(async_copy_kernel, shape, &from, out, false); });
    was_late = was_late || std::isnan(out[0]) || contains(error, "ends with copies on their way");
  }
  CHECK(was_late);
}

// Copies two words in a group each, and one in no group, and reads them after a wait for all groups
// but the newest `kNewest`.
template <int kNewest>
__global__ void copy_groups_kernel(const float* from, float* out) {
  float* words = block_shared<float>();
  for (int i = 0; i < 2; ++i) {
    copy_async<4>(words + i, from + i, true);
    commit_copies();
  }
  copy_async<4>(words + 2, from + 2, true);
  wait_for_groups<kNewest>();
  for (int i = 0; i < 3; ++i) out[i] = words[i];
  wait_for_copies();
}

/// How often, of 16 seeds, each word was missing when read.
template <int kNewest>
std::vector<int> missing_words() {
  const float from[] = {3.0F, 4.0F, 5.0F};
  std::vector<int> missing(3, 0);
  for (uint64_t seed = 0; seed < 16; ++seed) {
    float out[3];
    emulation::set_seed(seed);
    VIM_LAUNCH((copy_groups_kernel<kNewest>), shape_of(1, 1, 12), from, out);
    for (int i = 0; i < 3; ++i) {
      CHECK((std::isnan(out[i]) || out[i] == from[i]));
      missing[i] += std::isnan(out[i]) ? 1 : 0;
    }
  }
  return missing;
}

TEST_CASE("of groups of copies only those that a wait names are sure to be there", "[emulation]") {
  const std::vector<int> after_all = missing_words<0>();
  CHECK(after_all[0] == 0);
  CHECK(after_all[1] == 0);
  CHECK(after_all[2] > 0);
  const std::vector<int> after_first = missing_words<1>();
  CHECK(after_first[0] == 0);
  CHECK(after_first[1] > 0);
  CHECK(missing_words<2>()[0] > 0);
}

TEST_CASE("a seed fixes the order of blocks and threads, another changes it", "[emulation]") {
  CHECK(run_order(1) == run_order(1));
  CHECK(run_order(1) != run_order(2));
  const std::vector<int> order = run_order(1);
  CHECK(std::set<int>(order.begin(), order.end()).size() == 128);
  std::set<int> first_blocks;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    first_blocks.insert(run_order(seed).front() / 16);
  }
  CHECK(first_blocks.size() > 2);
}

// -- shared memory --------------------------------------------------------------------------------

__global__ void poison_kernel(uint32_t* out) {
  auto* words = block_shared<uint32_t>();
  out[blockIdx.x] = words[0];
  words[0] = 0;
}

TEST_CASE("shared memory starts as NaN in every type, in every block", "[emulation]") {
  std::vector<uint32_t> out(4);
  VIM_LAUNCH(poison_kernel, shape_of(4, 1, 4), out.data());
  for (const uint32_t word : out) {
    CHECK(std::isnan(float_from_bits(word)));
    for (const uint32_t half : {word & 0xFFFFU, word >> 16}) {
      CHECK(std::isnan(to_float(BFloat16{static_cast<uint16_t>(half)})));
      CHECK(std::isnan(to_float(Float16{static_cast<uint16_t>(half)})));
    }
  }
}

__global__ void write_kernel(int64_t index, float* global) {
  float* values = global == nullptr ? block_shared<float>() : global;
  values[index] = 1.0F;
}

void write_shared(int64_t index) {
  VIM_LAUNCH(write_kernel, shape_of(1, 1, 10 * sizeof(float)), index, nullptr);
}

TEST_CASE("a write beside the shared memory is found", "[emulation]") {
  write_shared(0);
  write_shared(9);
  for (const int64_t index : {int64_t{-1}, int64_t{10}}) {
    if (has_address_sanitizer()) {
      CHECK(contains(death_of([&] { write_shared(index); }), "AddressSanitizer: use-after-poison"));
    } else {
      const std::string text = thrown_by([&] { write_shared(index); });
      CHECK(contains(text, "write_kernel, block (0, 0, 0): a write beyond its 40 bytes"));
    }
  }
}

TEST_CASE("a write beside a global array is found by the address sanitizer", "[emulation]") {
  if (!has_address_sanitizer()) {
    WARN("SKIP: built without the address sanitizer");
    return;
  }
  std::vector<float> values(10);
  VIM_LAUNCH(write_kernel, shape_of(1, 1), int64_t{9}, values.data());
  const auto write = [&] { VIM_LAUNCH(write_kernel, shape_of(1, 1), int64_t{10}, values.data()); };
  CHECK(contains(death_of(write), "AddressSanitizer: heap-buffer-overflow"));
}

// -- barriers -------------------------------------------------------------------------------------

enum class Fault { kHalf, kTwoPlaces, kExit, kMixed, kWarp, kShuffleMask, kOwnLane, kSource };

__global__ void fault_kernel(Fault fault) {
  const bool is_low = threadIdx.x < 16;
  if (fault == Fault::kHalf && is_low) {
    __syncthreads();
  } else if (fault == Fault::kTwoPlaces) {
    if (is_low) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  } else if (fault == Fault::kMixed) {
    is_low ? __syncthreads() : __syncwarp();
  } else if (fault == Fault::kExit && threadIdx.x != 5) {
    __syncthreads();
  } else if (fault == Fault::kWarp && threadIdx.x != 7) {
    __syncwarp();
  } else if (fault == Fault::kShuffleMask && threadIdx.x < kWarpSize) {
    __shfl_xor_sync(is_low ? kFullWarp : 0xFFFF0001U, 1.0F, 1);
  } else if (fault == Fault::kOwnLane && is_low) {
    __shfl_sync(0xFFFEU, 1, 1);
  } else if (fault == Fault::kSource && is_low) {
    __shfl_sync(0xFFFFU, 1, 16);
  }
}

std::string run_fault(Fault fault) {
  return thrown_by([&] { VIM_LAUNCH(fault_kernel, shape_of(dim3(1, 3), 64), fault); });
}

TEST_CASE("barriers that not all threads reach are errors with place and cause", "[emulation]") {
  const std::string half = run_fault(Fault::kHalf);
  CHECK(contains(half, "emulation: fault_kernel, block (0, "));
  CHECK(contains(half, "waits forever at __syncthreads ("));
  CHECK(contains(half, "emulation_test.cpp:"));
  CHECK(contains(half, "has exited"));
  CHECK(contains(run_fault(Fault::kExit), "thread (5, 0, 0) has exited"));
  CHECK(contains(run_fault(Fault::kTwoPlaces), "waits at __syncthreads ("));
  CHECK(contains(run_fault(Fault::kMixed), "waits forever at __syncthreads ("));
  CHECK(contains(run_fault(Fault::kMixed), "waits at __syncwarp ("));
  CHECK(contains(run_fault(Fault::kWarp), "thread (7, 0, 0) has exited"));
}

TEST_CASE("collectives that do not match are errors", "[emulation]") {
  CHECK(contains(run_fault(Fault::kShuffleMask), "with mask 0xFFFF0001"));
  CHECK(contains(run_fault(Fault::kOwnLane), "thread (0, 0, 0) calls __shfl_sync"));
  CHECK(contains(run_fault(Fault::kSource), "reads a lane outside the mask in __shfl_sync"));
}

TEST_CASE("a launch after an error works", "[emulation]") {
  CHECK(!run_fault(Fault::kHalf).empty());
  CHECK(run_exchange(1, true)[0] == 64.0F);
}

// -- warp collectives -----------------------------------------------------------------------------

struct WarpResults {
  int index[32], segment[32], exclusive[32], up[32], down[32];
  unsigned ballot, half_ballot[2];
  bool any_above, all_above;
  double wide[32];
};

__global__ void warp_kernel(WarpResults* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out->index[lane] = __shfl_sync(kFullWarp, lane, 35);
  out->segment[lane] = __shfl_sync(kFullWarp, lane, 3, 8);
  out->exclusive[lane] = __shfl_xor_sync(kFullWarp, lane, 5);
  out->up[lane] = __shfl_up_sync(kFullWarp, lane, 3, 16);
  out->down[lane] = __shfl_down_sync(kFullWarp, lane, 3, 16);
  out->wide[lane] = __shfl_sync(kFullWarp, 1.0 / (lane + 1), lane);
  out->ballot = __ballot_sync(kFullWarp, lane % 3 == 0);
  if (lane < 16) {
    out->half_ballot[0] = __ballot_sync(0x0000FFFFU, 1);
  } else {
    out->half_ballot[1] = __ballot_sync(0xFFFF0000U, lane > 20);
  }
  out->any_above = __any_sync(kFullWarp, lane > 30) != 0;
  out->all_above = __all_sync(kFullWarp, lane > 30) != 0;
}

TEST_CASE("shuffles and votes do as the programming guide says", "[emulation]") {
  WarpResults out;
  VIM_LAUNCH(warp_kernel, shape_of(1, 32), &out);
  for (int lane = 0; lane < 32; ++lane) {
    CHECK(out.index[lane] == 3);
    CHECK(out.segment[lane] == lane / 8 * 8 + 3);
    CHECK(out.exclusive[lane] == (lane ^ 5));
    CHECK(out.up[lane] == (lane % 16 < 3 ? lane : lane - 3));
    CHECK(out.down[lane] == (lane % 16 > 12 ? lane : lane + 3));
    CHECK(out.wide[lane] == 1.0 / (lane + 1));
  }
  CHECK(out.ballot == 0x49249249U);
  CHECK(out.half_ballot[0] == 0x0000FFFFU);
  CHECK(out.half_ballot[1] == 0xFFE00000U);
  CHECK(out.any_above);
  CHECK(!out.all_above);
}

// -- launches -------------------------------------------------------------------------------------

__global__ void index_kernel(int* hits) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  ++hits[block * blockDim.x * blockDim.y * blockDim.z + thread];
}

TEST_CASE("every thread of a grid in three dimensions runs once", "[emulation]") {
  std::vector<int> hits(2 * 3 * 4 * 5 * 6 * 7);
  VIM_LAUNCH(index_kernel, shape_of(dim3(2, 3, 4), dim3(5, 6, 7)), hits.data());
  CHECK(hits == std::vector<int>(hits.size(), 1));
}

TEST_CASE("launches that a device refuses are refused with the kernel's name", "[emulation]") {
  const auto launch = [](dim3 grid, dim3 block, size_t bytes) {
    return thrown_by([&] { VIM_LAUNCH(index_kernel, shape_of(grid, block, bytes), nullptr); });
  };
  const std::string text = "cuda: launch of index_kernel failed: invalid configuration argument";
  CHECK(launch(1, 1025, 0) == text);
  CHECK(launch(1, dim3(1, 1, 65), 0) == text);
  CHECK(launch(1, 0, 0) == text);
  CHECK(launch(0, 1, 0) == text);
  CHECK(launch(dim3(1, 65536), 1, 0) == text);
  CHECK(launch(dim3(1, 1, 65536), 1, 0) == text);
  CHECK(launch(dim3(0x80000000U), 1, 0) == text);
  CHECK(contains(launch(1, 1, (227 << 10) + 1), "launch of index_kernel failed: invalid argument"));
}

TEST_CASE("shared memory above 48 KiB must be asked for, up to 227 KiB", "[emulation]") {
  const auto* function = reinterpret_cast<const void*>(&poison_kernel);
  emulation::launch({"poison", function, 1, 1, (48 << 10) + 1}, [] {});
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
  uint32_t out = 0;
  VIM_LAUNCH(poison_kernel, shape_of(1, 1, 227 << 10), &out);
  CHECK(out != 0);
}

}  // namespace
}  // namespace vim::tests
