// CUDA kernels on the host: every thread of a block is a fiber, blocks run one after another, and
// fibers change only at barriers and warp collectives. The order in which ready fibers and blocks
// run is shuffled by a seed, so that a result that depends on it shows. Errors that a device would
// answer with a hang or with garbage are std::runtime_errors naming kernel, block and thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulation {

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_size = 1, unsigned y_size = 1, unsigned z_size = 1)
      : x(x_size), y(y_size), z(z_size) {}
};

/// What a launch asks for. function identifies the kernel for its shared memory limit.
struct Launch {
  const char* name;
  const void* function;
  dim3 grid;
  dim3 block;
  size_t shared_bytes;
};

/// Seeds the order of blocks and threads of later launches of this OS thread; 0 at first.
void set_seed(uint64_t seed);

/// Fiber switches of this OS thread so far.
uint64_t num_switches();

/// Runs body(context) in every thread of the grid. A launch that a device would refuse sets the
/// last CUDA error. Throws std::runtime_error for a deadlock, barriers that do not match, a shuffle
/// from a lane outside its mask, or a write beyond the shared memory.
void run_grid(const Launch& launch, void (*body)(const void* context), const void* context);

template <typename Body>
void launch(const Launch& shape, const Body& body) {
  run_grid(
      shape, [](const void* context) { (*static_cast<const Body*>(context))(); }, &body);
}

/// The running block's dynamic shared memory, aligned to 128 bytes.
void* block_shared_memory();

/// Where a thread waits, for messages and to tell one barrier from another.
struct Site {
  const char* what;
  const char* file;
  int line;
};

void block_barrier(const Site& site);

/// Copies `bytes` to `to`, zeros where from is null, either at once or not before it is waited for,
/// drawn at random. A thread that ends with copies on their way is an error.
void copy_async(void* to, const void* from, size_t bytes);

/// Makes a group of the copies that this thread has started since its last group.
void commit_copies();

/// Ends the copies of this thread's groups but the newest `newest`; those in no group stay.
void wait_for_groups(int newest);

/// Ends this thread's copies.
void wait_for_copies();

/// Called once all lanes of mask have arrived, with the request of each (null outside the mask).
/// Returns null, or what is wrong with lane *culprit.
using CompleteCollective = const char* (*)(void* const (&requests)[32], int* culprit);

/// Waits until all lanes of mask have called with the same mask and `complete`.
void warp_collective(const Site& site, uint32_t mask, void* request, CompleteCollective complete);

/// The thread's lane in its warp.
int current_lane();

}  // namespace emulation
