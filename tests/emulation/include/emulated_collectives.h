// Barriers, shuffles and votes. The default arguments carry the caller's position into messages.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tests/emulation/emulation.h"

namespace emulation {

template <typename T>
struct Shuffle {
  T value;
  int source;  // lane
  T result;
};

template <typename T>
const char* complete_shuffle(void* const (&requests)[32], int* culprit) {
  for (int lane = 0; lane < 32; ++lane) {
    auto* mine = static_cast<Shuffle<T>*>(requests[lane]);
    if (mine == nullptr) {
      continue;
    }
    const auto* theirs = static_cast<const Shuffle<T>*>(requests[mine->source]);
    if (theirs == nullptr) {
      *culprit = lane;
      return "reads a lane outside the mask";
    }
    mine->result = theirs->value;
  }
  return nullptr;
}

template <typename T>
T shuffle(const Site& site, uint32_t mask, T value, int source) {
  static_assert(std::is_arithmetic_v<T>, "shuffles move numbers of 4 or 8 bytes");
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move numbers of 4 or 8 bytes");
  Shuffle<T> request{value, source, value};
  warp_collective(site, mask, &request, complete_shuffle<T>);
  return request.result;
}

/// Lanes whose predicate is not 0.
uint32_t ballot(const Site& site, uint32_t mask, bool predicate);
void warp_barrier(const Site& site, uint32_t mask);

}  // namespace emulation

inline void __syncthreads(int line = __builtin_LINE(), const char* file = __builtin_FILE()) {
  emulation::block_barrier({"__syncthreads", file, line});
}

inline void __syncwarp(
    unsigned mask = 0xFFFFFFFFU, int line = __builtin_LINE(), const char* file = __builtin_FILE()) {
  emulation::warp_barrier({"__syncwarp", file, line}, mask);
}

template <typename T>
T __shfl_sync(
    unsigned mask,
    T value,
    int source,
    int width = 32,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  const int segment = emulation::current_lane() & ~(width - 1);
  return emulation::shuffle<T>(
      {"__shfl_sync", file, line}, mask, value, segment + (source & (width - 1)));
}

template <typename T>
T __shfl_xor_sync(
    unsigned mask,
    T value,
    int lane_mask,
    int width = 32,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  const int lane = emulation::current_lane();
  // As the device has it, a lane may read lower segments but not higher ones.
  const int source = lane ^ lane_mask;
  const bool is_inside = source < (lane & ~(width - 1)) + width;
  return emulation::shuffle<T>(
      {"__shfl_xor_sync", file, line}, mask, value, is_inside ? source : lane);
}

template <typename T>
T __shfl_up_sync(
    unsigned mask,
    T value,
    unsigned delta,
    int width = 32,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  const int lane = emulation::current_lane();
  const int source = lane - static_cast<int>(delta);
  const bool is_inside = source >= (lane & ~(width - 1));
  return emulation::shuffle<T>(
      {"__shfl_up_sync", file, line}, mask, value, is_inside ? source : lane);
}

template <typename T>
T __shfl_down_sync(
    unsigned mask,
    T value,
    unsigned delta,
    int width = 32,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  const int lane = emulation::current_lane();
  const int source = lane + static_cast<int>(delta);
  const bool is_inside = source < (lane & ~(width - 1)) + width;
  return emulation::shuffle<T>(
      {"__shfl_down_sync", file, line}, mask, value, is_inside ? source : lane);
}

inline unsigned __ballot_sync(
    unsigned mask,
    int predicate,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  return emulation::ballot({"__ballot_sync", file, line}, mask, predicate != 0);
}

inline int __any_sync(
    unsigned mask,
    int predicate,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  return emulation::ballot({"__any_sync", file, line}, mask, predicate != 0) != 0;
}

inline int __all_sync(
    unsigned mask,
    int predicate,
    int line = __builtin_LINE(),
    const char* file = __builtin_FILE()) {
  return emulation::ballot({"__all_sync", file, line}, mask, predicate != 0) == mask;
}
