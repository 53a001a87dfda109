// The threads of one block as fibers, and who waits for whom.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/emulation/emulation.h"
#include "tests/emulation/fiber.h"

namespace emulation {

/// splitmix64: small, fast, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// Below bound, nearly uniform; bound is at least 1.
  uint64_t below(uint64_t bound);

 private:
  uint64_t state_;
};

enum class ThreadStatus { kReady, kAtBarrier, kInCollective, kExited };

struct AsyncCopy {
  void* to;
  const void* from;  // null: zeros
  size_t bytes;
  uint64_t group = 0;  // of its thread, counted from the first
};

struct Thread {
  Fiber fiber;
  uint3 index = {};  // threadIdx
  int number = 0;    // in the block
  ThreadStatus status = ThreadStatus::kExited;
  Site site = {};  // where it waits
  uint32_t mask = 0;
  void* request = nullptr;
  CompleteCollective complete = nullptr;
  std::vector<AsyncCopy> copies;  // on their way, the oldest first
  uint64_t num_groups = 0;        // committed
};

/// Runs block after block of one launch; the fibers stay.
class Block {
 public:
  void prepare(const Launch& launch, void (*body)(const void*), const void* context);

  /// Runs all threads to their end. Throws std::runtime_error as run_grid says.
  void run(Random& random);

  void wait_at_barrier(const Site& site);
  void wait_in_collective(
      const Site& site, uint32_t mask, void* request, CompleteCollective complete);
  void copy_async(AsyncCopy copy);
  void commit_copies() { ++running_->num_groups; }
  void wait_for_groups(uint64_t newest);
  void wait_for_copies();
  const Thread& running() const { return *running_; }
  uint64_t num_switches() const { return num_switches_; }

 private:
  static void fiber_main();
  void make_ready(Thread& thread);
  void hand_over(Fiber& from);
  void change(Fiber& from, Fiber& to);
  void release_barrier();
  Thread* lane_of_warp(const Thread& thread, int lane) const;
  bool is_collective_full(const Thread& thread);
  void complete_collective(const Thread& last);
  void check_finished();
  /// Notes the failure; the next hand_over leaves for good. No fiber may be left with objects
  /// alive.
  void fail(const Thread& thread, const std::string& what);
  void fail_waiting(const Thread& thread, int begin, int end);
  std::string describe(const Thread& thread) const;
  std::string describe_collective(const Thread& thread) const;

  Launch launch_ = {};
  void (*body_)(const void*) = nullptr;
  const void* context_ = nullptr;
  std::vector<std::unique_ptr<Thread>> threads_;  // as many as the largest block so far
  int num_threads_ = 0;
  int num_waiting_ = 0;              // at the barrier
  uint32_t in_collective_[32] = {};  // by warp: lanes that wait in one
  std::vector<Thread*> ready_;
  Thread* running_ = nullptr;
  Random* random_ = nullptr;
  Fiber main_;
  Fiber* previous_ = nullptr;  // what the running fiber was entered from
  std::string failure_;
  uint64_t num_switches_ = 0;
};

/// The running block's index as text.
std::string block_name();

/// The block of this OS thread.
Block& current_block();

}  // namespace emulation
