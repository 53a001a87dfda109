// States that the scan's forward keeps for its backward, where it is asked to: those that enter
// each tile of tokens but the first, which the backward then need not find by walking there.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/namespace.h"
#include "kernels/cuda/scan_rows.cuh"
#include "kernels/selective_scan.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kTileTokens = 8;    // tokens that the backward takes back at once
constexpr int kGroupStates = 16;  // states that a walk holds; more states take several walks
constexpr int kPassStates = 4;    // states that a lane walks back at once
constexpr int kPasses = kGroupStates / kPassStates;

/// Kept states are (directions, batch, tiles - 1, kPasses, d_inner, kPassStates) of the storage
/// type, tiles counted from where a walk begins. This is the number of tiles.
__host__ __device__ inline int64_t num_kept_tiles(const ScanParams& params) {
  return (params.seqlen - 1) / kTileTokens;
}

/// Elements of one sample in one direction.
__host__ __device__ inline int64_t kept_sample_size(const ScanParams& params) {
  return num_kept_tiles(params) * kGroupStates * params.d_inner;
}

/// Row, of kPassStates states of each channel, of the states with which a walk enters tile `tile`.
__device__ __forceinline__ int kept_row(int tile, int pass) { return (tile - 1) * kPasses + pass; }

/// Rows of the kept states from a channel on. sample: counted over directions and batch.
template <typename T>
__device__ StepRows<T*> kept_rows(const ScanParams& params, int64_t sample, int64_t channel) {
  StepRows<T*> rows;
  rows.origin = static_cast<T*>(params.kept_states) + sample * kept_sample_size(params) +
                channel * kPassStates;
  rows.stride = static_cast<int>(params.d_inner) * kPassStates;
  return rows;
}

/// As it is kept: float16 ends at 65504, and what lies beyond is as good as that for a gradient.
template <typename T>
__device__ __forceinline__ float kept_state(float h) {
  constexpr float kMost = 65504.0F;
  return std::is_same<T, Float16>::value ? fminf(fmaxf(h, -kMost), kMost) : h;
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
