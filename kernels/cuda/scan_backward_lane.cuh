// What a lane of the scan's backward does with its channel in a tile of 8 tokens, and how the warp
// adds over its 32 channels; scan_backward.cuh says how the kernel works.
#pragma once

#include <cstdint>

#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/scan_backward_stage.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

__device__ __forceinline__ void unpack(const float4& from, float (&to)[kPassStates]) {
  to[0] = from.x;
  to[1] = from.y;
  to[2] = from.z;
  to[3] = from.w;
}

__device__ __forceinline__ float4 packed(const float (&from)[kPassStates]) {
  return make_float4(from[0], from[1], from[2], from[3]);
}

/// Four states of B (which 0) or C (1) of token i.
template <typename Form>
__device__ __forceinline__ void load_states(int i, int which, int pass, float (&to)[kPassStates]) {
  const float* states = &backward_shared<Form>().bc[i][which][pass * kPassStates];
  unpack(*reinterpret_cast<const float4*>(states), to);
}

/// d += a b, where b consists of zeros and ones. Exact: to about 2^-22 of a, which is cut into two
/// parts of tf32; otherwise to the 2^-10 of tf32.
template <bool kExact>
__device__ __forceinline__ void mma_add(
    float (&d)[4], const float (&a)[4], const float (&ones)[2]) {
  if (!kExact) {
    return mma_tf32_16x8x8(d, a, ones);
  }
  const float high[4] = {to_tf32(a[0]), to_tf32(a[1]), to_tf32(a[2]), to_tf32(a[3])};
  const float low[4] = {a[0] - high[0], a[1] - high[1], a[2] - high[2], a[3] - high[3]};
  mma_tf32_16x8x8(d, low, ones);
  mma_tf32_16x8x8(d, high, ones);
}

/// Sums of the four states of a pass over four neighbouring lanes each, by the tensor cores. The
/// factor of ones puts token i of a fragment into its columns 2 i (states 0 and 2, by rows) and
/// 2 i + 1 (states 1 and 3), so that lane 4 m + q ends with token q of lanes 4 m to 4 m + 3.
template <bool kExact>
struct QuadSums {
  float d[kTileTokens / 4][4] = {};

  /// Adds token i of the tile.
  __device__ __forceinline__ void add(const float (&x)[kPassStates], int i) {
    const int column = lane_index() / 4;
    const float ones[2] = {
        column == i % 4 * 2 ? 1.0F : 0.0F, column == i % 4 * 2 + 1 ? 1.0F : 0.0F};
    const float a[4] = {x[0], x[2], x[1], x[3]};
    mma_add<kExact>(d[i / 4], a, ones);
  }

  /// Leaves the sums for sum_quads.
  __device__ __forceinline__ void leave(float4 (&lots)[kTileTokens / 4][kLotsRow]) const {
#pragma unroll
    for (int half = 0; half < kTileTokens / 4; ++half) {
      lots[half][lane_index()] = packed(d[half]);
    }
  }
};

/// Sums over the warp of the quads' sums, dB's then dC's: lane 16 c + 2 t + s has states 2 s and
/// 2 s + 1 of token t.
__device__ __forceinline__ float2 sum_quads(const float4 (&lots)[2][kTileTokens / 4][kLotsRow]) {
  const int token = lane_index() / 2 % kTileTokens;
  const auto* lot =
      reinterpret_cast<const float2*>(&lots[lane_index() / 16][token / 4][token % 4]) +
      lane_index() % 2;
  float2 sum = lot[0];
#pragma unroll
  for (int m = 1; m < kWarpSize / 4; ++m) {
    sum.x += lot[8 * m].x;
    sum.y += lot[8 * m].y;
  }
  return sum;
}

/// What entry `index` (of kTilePartials) of a tile's partial sums means: four states of a token.
struct PartialEntry {
  bool is_C;
  int token;
  int state;  // the first

  __device__ explicit PartialEntry(int index)
      : is_C(index / kTileTokens % 2 != 0),
        token(index % kTileTokens),
        state(index / (2 * kTileTokens) * kPassStates) {}
};

/// The walk there: all states of a lane's channel.
template <typename Form>
struct WalkThere {
  float A[kPasses][kPassStates];
  float h[kPasses][kPassStates];

  /// Takes the states through the staged tile.
  __device__ __forceinline__ void walk(const LaneTile& items) {
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        float B[kPassStates];
        load_states<Form>(i, 0, pass, B);
#pragma unroll
        for (int n = 0; n < kPassStates; ++n) {
          const float decay = fast_exp2(items.dt[i] * A[pass][n]);
          h[pass][n] = fmaf(decay, h[pass][n], items.input[i] * B[n]);
        }
      }
    }
  }
};

/// The walk back that only carries the gradients of the states.
template <typename Form>
struct WalkAdjoint {
  float A[kPasses][kPassStates];
  float carried[kPasses][kPassStates] = {};

  __device__ __forceinline__ void walk(const LaneTile& items) {
#pragma unroll
    for (int i = kTileTokens - 1; i >= 0; --i) {
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        float C[kPassStates];
        load_states<Form>(i, 1, pass, C);
#pragma unroll
        for (int n = 0; n < kPassStates; ++n) {
          const float g = fmaf(C[n], items.dy[i], carried[pass][n]);
          carried[pass][n] = fast_exp2(items.dt[i] * A[pass][n]) * g;
        }
      }
    }
  }
};

/// Sums over the states of a lane's channel for each token of a tile.
struct StateSums {
  float gB[kTileTokens] = {};  // of g B
  float gA[kTileTokens] = {};  // of A g exp(dt A) h
};

/// The walk there and back of four states of a lane's channel through the staged tile.
template <typename Form>
struct WalkBack {
  float A[kPassStates];
  float dA[kPassStates];
  float h[kPassStates];
  float carried[kPassStates];
  float decay[kTileTokens][kPassStates];
  float decayed[kTileTokens][kPassStates];

  /// Fills decay and decayed, and adds h dy.
  __device__ __forceinline__ void walk_there(
      int pass, const LaneTile& items, QuadSums<Form::kIsExact>& dC) {
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
      float B[kPassStates], h_dy[kPassStates];
      load_states<Form>(i, 0, pass, B);
#pragma unroll
      for (int n = 0; n < kPassStates; ++n) {
        decay[i][n] = fast_exp2(items.dt[i] * A[n]);
        decayed[i][n] = decay[i][n] * h[n];
        h[n] = fmaf(items.input[i], B[n], decayed[i][n]);
        h_dy[n] = h[n] * items.dy[i];
      }
      dC.add(h_dy, i);
    }
  }

  /// Back again; adds g dt u.
  __device__ __forceinline__ void walk_back(
      int pass, const LaneTile& items, StateSums& sums, QuadSums<Form::kIsExact>& dB) {
#pragma unroll
    for (int i = kTileTokens - 1; i >= 0; --i) {
      float B[kPassStates], C[kPassStates], g_input[kPassStates];
      load_states<Form>(i, 0, pass, B);
      load_states<Form>(i, 1, pass, C);
#pragma unroll
      for (int n = 0; n < kPassStates; ++n) {
        const float g = fmaf(C[n], items.dy[i], carried[n]);
        carried[n] = decay[i][n] * g;
        sums.gB[i] = fmaf(g, B[n], sums.gB[i]);
        const float w = g * decayed[i][n];
        sums.gA[i] = fmaf(w, A[n], sums.gA[i]);
        dA[n] = fmaf(w, items.dt[i], dA[n]);
        g_input[n] = g * items.input[i];
      }
      dB.add(g_input, i);
    }
  }
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
