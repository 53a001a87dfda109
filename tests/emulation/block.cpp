// The scheduler: a fiber that must wait hands over to a ready one drawn at random.
#include "tests/emulation/block.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace emulation {
namespace {

constexpr int kLanes = 32;

std::string triple(unsigned x, unsigned y, unsigned z) {
  char text[48];
  std::snprintf(text, sizeof(text), "(%u, %u, %u)", x, y, z);
  return text;
}

std::string place(const Site& site) {
  return std::string(site.what) + " (" + site.file + ":" + std::to_string(site.line) + ")";
}

bool is_same_place(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

void run_copy(const AsyncCopy& copy) {
  if (copy.from == nullptr) {
    std::memset(copy.to, 0, copy.bytes);
  } else {
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
}

bool is_same_collective(const Thread& a, const Thread& b) {
  return a.status == b.status && a.mask == b.mask && a.complete == b.complete;
}

}  // namespace

uint64_t Random::below(uint64_t bound) {
  state_ += 0x9E3779B97F4A7C15U;
  uint64_t bits = state_;
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBU;
  return ((bits >> 32) * bound) >> 32;
}

std::string block_name() { return triple(blockIdx.x, blockIdx.y, blockIdx.z); }

Block& current_block() {
  thread_local Block block;
  return block;
}

void Block::prepare(const Launch& launch, void (*body)(const void*), const void* context) {
  launch_ = launch;
  body_ = body;
  context_ = context;
  const dim3& size = launch.block;
  num_threads_ = static_cast<int>(size.x * size.y * size.z);
  while (threads_.size() < static_cast<size_t>(num_threads_)) {
    threads_.push_back(std::make_unique<Thread>());
    create_stack(threads_.back()->fiber);
    reset_fiber(threads_.back()->fiber, fiber_main);
    threads_.back()->number = static_cast<int>(threads_.size()) - 1;
  }
  for (int i = 0; i < num_threads_; ++i) {
    const auto number = static_cast<unsigned>(i);
    threads_[i]->index = {number % size.x, number / size.x % size.y, number / size.x / size.y};
  }
}

void Block::run(Random& random) {
  random_ = &random;
  failure_.clear();
  ready_.clear();
  num_waiting_ = 0;
  std::fill(std::begin(in_collective_), std::end(in_collective_), 0U);
  for (int i = 0; i < num_threads_; ++i) {
    make_ready(*threads_[i]);
  }
  hand_over(main_);
  if (failure_.empty()) {
    return;
  }
  for (int i = 0; i < num_threads_; ++i) {
    threads_[i]->copies.clear();
    reset_fiber(threads_[i]->fiber, fiber_main);
  }
  throw std::runtime_error(failure_);
}

void Block::fiber_main() {
  Block& block = current_block();
  enter_fiber(*block.previous_);
  for (;;) {
    block.body_(block.context_);
    block.running_->status = ThreadStatus::kExited;
    if (!block.running_->copies.empty()) {
      block.running_->copies.clear();
      block.fail(*block.running_, "ends with copies on their way");
    }
    block.hand_over(block.running_->fiber);
  }
}

void Block::make_ready(Thread& thread) {
  thread.status = ThreadStatus::kReady;
  ready_.push_back(&thread);
}

void Block::hand_over(Fiber& from) {
  if (failure_.empty() && ready_.empty()) {
    check_finished();
  }
  if (!failure_.empty() || ready_.empty()) {
    return change(from, main_);
  }
  std::swap(ready_[random_->below(ready_.size())], ready_.back());
  running_ = ready_.back();
  ready_.pop_back();
  threadIdx = running_->index;
  change(from, running_->fiber);
}

void Block::change(Fiber& from, Fiber& to) {
  if (&from == &to) {
    return;
  }
  ++num_switches_;
  previous_ = &from;
  switch_fiber(from, to);
}

void Block::wait_at_barrier(const Site& site) {
  running_->status = ThreadStatus::kAtBarrier;
  running_->site = site;
  if (++num_waiting_ == num_threads_) {
    release_barrier();
  }
  hand_over(running_->fiber);
}

void Block::copy_async(AsyncCopy copy) {
  if (random_->below(2) == 0) {
    run_copy(copy);
  } else {
    copy.group = running_->num_groups;
    running_->copies.push_back(copy);
  }
}

void Block::wait_for_groups(uint64_t newest) {
  std::vector<AsyncCopy>& copies = running_->copies;
  const auto stays = std::find_if(copies.begin(), copies.end(), [&](const AsyncCopy& copy) {
    return copy.group + newest >= running_->num_groups;
  });
  std::for_each(copies.begin(), stays, run_copy);
  copies.erase(copies.begin(), stays);
}

void Block::wait_for_copies() {
  for (const AsyncCopy& copy : running_->copies) run_copy(copy);
  running_->copies.clear();
}

void Block::release_barrier() {
  num_waiting_ = 0;
  const Thread& last = *running_;
  for (int i = 0; i < num_threads_; ++i) {
    if (!is_same_place(threads_[i]->site, last.site)) {
      return fail(last, "waits at " + place(last.site) + " but " + describe(*threads_[i]));
    }
    make_ready(*threads_[i]);
  }
}

void Block::wait_in_collective(
    const Site& site, uint32_t mask, void* request, CompleteCollective complete) {
  Thread& thread = *running_;
  thread.site = site;
  thread.mask = mask;
  thread.request = request;
  thread.complete = complete;
  thread.status = ThreadStatus::kInCollective;
  if ((mask >> thread.number % kLanes & 1U) == 0) {
    fail(thread, "calls " + place(site) + " with a mask without its own lane");
  } else if (is_collective_full(thread)) {
    complete_collective(thread);
  }
  hand_over(thread.fiber);
}

Thread* Block::lane_of_warp(const Thread& thread, int lane) const {
  return threads_[thread.number / kLanes * kLanes + lane].get();
}

bool Block::is_collective_full(const Thread& thread) {
  const int warp = thread.number / kLanes;
  const int num_lanes = std::min(kLanes, num_threads_ - warp * kLanes);
  if (num_lanes < kLanes && thread.mask >> num_lanes != 0) {
    fail(thread, "calls " + place(thread.site) + " with a mask beyond the block's threads");
    return false;
  }
  in_collective_[warp] |= 1U << thread.number % kLanes;
  if ((in_collective_[warp] & thread.mask) != thread.mask) {
    return false;  // the usual case, cheaply
  }
  bool is_full = true;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((thread.mask >> lane & 1U) == 0) {
      continue;
    }
    const Thread* other = lane_of_warp(thread, lane);
    const bool is_there = is_same_collective(*other, thread);
    const bool waits_for_us = other->status == ThreadStatus::kInCollective &&
                              (other->mask >> thread.number % kLanes & 1U) != 0;
    if (!is_there && waits_for_us) {
      fail(thread, "waits at " + describe_collective(thread) + " but " + describe(*other));
      return false;
    }
    is_full = is_full && is_there;
  }
  return is_full;
}

void Block::complete_collective(const Thread& last) {
  void* requests[kLanes] = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((last.mask >> lane & 1U) != 0) {
      requests[lane] = lane_of_warp(last, lane)->request;
    }
  }
  int culprit = 0;
  if (const char* what = last.complete(requests, &culprit)) {
    return fail(*lane_of_warp(last, culprit), what + (" in " + place(last.site)));
  }
  in_collective_[last.number / kLanes] &= ~last.mask;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((last.mask >> lane & 1U) != 0) {
      make_ready(*lane_of_warp(last, lane));
    }
  }
}

std::string Block::describe_collective(const Thread& thread) const {
  char mask[16];
  std::snprintf(mask, sizeof(mask), "0x%08X", thread.mask);
  return place(thread.site) + " with mask " + mask;
}

std::string Block::describe(const Thread& thread) const {
  const std::string name = "thread " + triple(thread.index.x, thread.index.y, thread.index.z);
  switch (thread.status) {
    case ThreadStatus::kExited:
      return name + " has exited";
    case ThreadStatus::kInCollective:
      return name + " waits at " + describe_collective(thread);
    case ThreadStatus::kAtBarrier:
    case ThreadStatus::kReady:
      break;
  }
  return name + " waits at " + place(thread.site);
}

void Block::fail(const Thread& thread, const std::string& what) {
  if (failure_.empty()) {  // the first one counts
    failure_ = std::string("emulation: ") + launch_.name + ", block " + block_name() + ", thread " +
               triple(thread.index.x, thread.index.y, thread.index.z) + " " + what;
  }
}

void Block::check_finished() {
  for (int i = 0; i < num_threads_; ++i) {
    const Thread& thread = *threads_[i];
    if (thread.status == ThreadStatus::kAtBarrier) {
      return fail_waiting(thread, 0, num_threads_);
    }
    if (thread.status == ThreadStatus::kInCollective) {
      const int first = i / kLanes * kLanes;
      return fail_waiting(thread, first, std::min(first + kLanes, num_threads_));
    }
  }
}

void Block::fail_waiting(const Thread& thread, int begin, int end) {
  for (int i = begin; i < end; ++i) {
    const Thread& other = *threads_[i];
    const bool is_awaited =
        thread.status == ThreadStatus::kAtBarrier || (thread.mask >> (i - begin) & 1U) != 0;
    const bool is_there = thread.status == ThreadStatus::kAtBarrier
                              ? other.status == ThreadStatus::kAtBarrier
                              : is_same_collective(other, thread);
    if (is_awaited && !is_there) {
      return fail(thread, "waits forever at " + place(thread.site) + ": " + describe(other));
    }
  }
  fail(thread, "waits forever at " + place(thread.site));
}

void copy_async(void* to, const void* from, size_t bytes) {
  current_block().copy_async({to, from, bytes});
}

void commit_copies() { current_block().commit_copies(); }

void wait_for_groups(int newest) { current_block().wait_for_groups(newest); }

void wait_for_copies() { current_block().wait_for_copies(); }

void block_barrier(const Site& site) { current_block().wait_at_barrier(site); }

void warp_collective(const Site& site, uint32_t mask, void* request, CompleteCollective complete) {
  current_block().wait_in_collective(site, mask, request, complete);
}

int current_lane() { return current_block().running().number % kLanes; }

namespace {

struct Vote {
  bool predicate;
  uint32_t lanes;
};

const char* complete_vote(void* const (&requests)[kLanes], int*) {
  uint32_t lanes = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto* vote = static_cast<const Vote*>(requests[lane]);
    lanes |= static_cast<uint32_t>(vote != nullptr && vote->predicate) << lane;
  }
  for (void* request : requests) {
    if (request != nullptr) {
      static_cast<Vote*>(request)->lanes = lanes;
    }
  }
  return nullptr;
}

const char* complete_warp_barrier(void* const (&)[kLanes], int*) { return nullptr; }

}  // namespace

uint32_t ballot(const Site& site, uint32_t mask, bool predicate) {
  Vote vote{predicate, 0};
  warp_collective(site, mask, &vote, complete_vote);
  return vote.lanes;
}

void warp_barrier(const Site& site, uint32_t mask) {
  warp_collective(site, mask, nullptr, complete_warp_barrier);
}

}  // namespace emulation
