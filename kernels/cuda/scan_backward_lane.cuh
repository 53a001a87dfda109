// What one warp of the scan's backward does with a tile of 8 tokens; scan_backward.cuh says how the
// kernel works. lane = 4 g + q, where q is a channel of the warp's first or second four (half = g /
// 4), and g % 4 picks four of its 16 states.
//
// Sums over channels, which dB and dC need, are matrix products:
//   dC(state, token) = sum over channels of h(state, channel) dy(channel, token)
//   dB(state, token) = sum over channels of g(state, channel) (dt u)(channel, token)
// A warp's fragment holds states in its rows (one for each half) and, in its columns, four tokens
// for each half; entries that cross the halves mean nothing and are dropped. Sums over states are
// shuffles over the four lanes of a channel, after which each lane finishes two tokens of the tile.
#pragma once

#include <cstdint>

#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/scan_backward_stage.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kLaneStates = 4;

/// A lane's part of the walk.
struct BackwardLane {
  int channel;           // in the block's tile
  int sub;               // which four states
  float A[kLaneStates];  // times log2(e)
  float dA[kLaneStates] = {};
  float h[kLaneStates];
  float carried[kLaneStates];  // gradient of the state, decayed, from the step after
  float D = 0.0F;
  float dD = 0.0F;
  float dbias = 0.0F;

  __device__ float4 packed_h() const { return make_float4(h[0], h[1], h[2], h[3]); }
  __device__ void unpack_h(const float4& from) {
    h[0] = from.x;
    h[1] = from.y;
    h[2] = from.z;
    h[3] = from.w;
  }
};

__device__ inline BackwardLane make_backward_lane() {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  BackwardLane result;
  result.sub = lane / 4 % 4;
  result.channel =
      static_cast<int>(threadIdx.x) / kWarpSize * kWarpChannels + lane % 4 + lane / 16 * 4;
  return result;
}

/// Fragments of dB or dC: of a tile's first and last four tokens, for a lane's two pairs of states.
struct StateSums {
  float d[2][2][4] = {};

  /// Adds the products of token i of the tile: states (of this lane's channel) times value.
  template <bool kExact>
  __device__ __forceinline__ void add(
      const float (&states)[kLaneStates], float value, int i, int sub) {
    const float column = sub == i % 4 ? value : 0.0F;
#pragma unroll
    for (int p = 0; p < 2; ++p) {
      const float rows[2] = {states[2 * p], states[2 * p + 1]};
      if (kExact) {
        mma_float_16x8x4(d[p][i / 4], rows, column);
      } else {
        mma_tf32_16x8x4(d[p][i / 4], rows, column);
      }
    }
  }

  /// Leaves the fragments of this warp in `partial`, slot `which` (0: dB, 1: dC).
  __device__ __forceinline__ void leave(float4* partial, int which) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const int half = lane / 16;
    if (lane % 4 / 2 != half) {
      return;
    }
    const int place = half * 8 + lane / 4 % 4 * 2 + lane % 2;
#pragma unroll
    for (int p = 0; p < 2; ++p) {
#pragma unroll
      for (int quad = 0; quad < 2; ++quad) {
        const float(&c)[4] = d[p][quad];
        partial[((which * 2 + p) * 2 + quad) * 16 + place] = make_float4(c[0], c[1], c[2], c[3]);
      }
    }
  }
};

/// What entry `index` (of kTilePartials) of a tile's partial sums means: four values, first token
/// then state fastest: (state, token), (state, token + 1), (state + 1, token), (state + 1, token +
/// 1).
struct PartialEntry {
  bool is_C;
  int state;
  int token;

  __device__ explicit PartialEntry(int index)
      : is_C(index >= kTilePartials / 2),
        state(index % 8 / 2 * 4 + index / 16 % 2 * 2),
        token(index / 8 % 2 * 4 + index % 2 * 2) {}
};

// The states of four lanes' worth after 8 tokens, without gradients.
__device__ __forceinline__ void walk_there(BackwardLane& lane, int buffer) {
  const ScanBackwardShared& shared = backward_shared();
#pragma unroll
  for (int i = 0; i < kTileTokens; ++i) {
    const float2 item = *reinterpret_cast<const float2*>(&shared.items[buffer][i][lane.channel]);
    const float4 B = *reinterpret_cast<const float4*>(&shared.bc[buffer][i][0][4 * lane.sub]);
    const float b[kLaneStates] = {B.x, B.y, B.z, B.w};
#pragma unroll
    for (int n = 0; n < kLaneStates; ++n) {
      lane.h[n] = fmaf(fast_exp2(item.x * lane.A[n]), lane.h[n], item.y * b[n]);
    }
  }
}

/// Sums over the four lanes of a channel: on return tokens 2 sub and 2 sub + 1 are complete.
__device__ __forceinline__ void sum_over_lanes(
    const float (&s)[kTileTokens], int sub, float (&sum)[2]) {
  const bool is_upper = (sub & 2) != 0;
  float four[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float received = __shfl_xor_sync(kFullWarp, is_upper ? s[i] : s[i + 4], 8);
    four[i] = (is_upper ? s[i + 4] : s[i]) + received;
  }
  const bool is_odd = (sub & 1) != 0;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float received = __shfl_xor_sync(kFullWarp, is_odd ? four[i] : four[i + 2], 4);
    sum[i] = (is_odd ? four[i + 2] : four[i]) + received;
  }
}

/// What the walk back through a tile leaves for each of its tokens: sums over the lane's states of
/// g B, and of A (times log2(e)) g exp(dt A) h.
struct TokenSums {
  float gB[kTileTokens] = {};
  float gA[kTileTokens] = {};
};

// One tile there and back. lane.h holds the state that enters it.
template <typename T>
__device__ __forceinline__ TokenSums walk_back(BackwardLane& lane, int buffer) {
  constexpr bool kExact = std::is_same<T, float>::value;
  ScanBackwardShared& shared = backward_shared();
  float decay[kTileTokens][kLaneStates];
  float decayed[kTileTokens][kLaneStates];
  StateSums dC;
#pragma unroll
  for (int i = 0; i < kTileTokens; ++i) {
    const ScanItem item = shared.items[buffer][i][lane.channel];
    const float4 B = *reinterpret_cast<const float4*>(&shared.bc[buffer][i][0][4 * lane.sub]);
    const float b[kLaneStates] = {B.x, B.y, B.z, B.w};
#pragma unroll
    for (int n = 0; n < kLaneStates; ++n) {
      decay[i][n] = fast_exp2(item.x * lane.A[n]);
      decayed[i][n] = decay[i][n] * lane.h[n];
      lane.h[n] = fmaf(item.y, b[n], decayed[i][n]);
    }
    dC.add<kExact>(lane.h, item.z, i, lane.sub);
  }
  dC.leave(shared.partial[threadIdx.x / kWarpSize], 1);
  StateSums dB;
  TokenSums sums;
#pragma unroll
  for (int i = kTileTokens - 1; i >= 0; --i) {
    const ScanItem item = shared.items[buffer][i][lane.channel];
    const float4 B = *reinterpret_cast<const float4*>(&shared.bc[buffer][i][0][4 * lane.sub]);
    const float4 C = *reinterpret_cast<const float4*>(&shared.bc[buffer][i][1][4 * lane.sub]);
    const float b[kLaneStates] = {B.x, B.y, B.z, B.w};
    const float c[kLaneStates] = {C.x, C.y, C.z, C.w};
    float g[kLaneStates];
#pragma unroll
    for (int n = 0; n < kLaneStates; ++n) {
      g[n] = fmaf(c[n], item.z, lane.carried[n]);
      lane.carried[n] = decay[i][n] * g[n];
      sums.gB[i] = fmaf(g[n], b[n], sums.gB[i]);
      const float w = g[n] * decayed[i][n];
      sums.gA[i] = fmaf(w, lane.A[n], sums.gA[i]);
      lane.dA[n] = fmaf(w, item.x, lane.dA[n]);
    }
    dB.add<kExact>(g, item.y, i, lane.sub);
  }
  dB.leave(shared.partial[threadIdx.x / kWarpSize], 0);
  return sums;
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
