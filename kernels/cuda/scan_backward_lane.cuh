// What a warp of the scan's backward does with an octet of channels in a tile of 8 tokens;
// scan_backward.cuh says how the kernel works. lane = 4 g + q, where q is a channel of the octet's
// first or second four (half = g / 4), and g % 4 picks four of its 16 states.
//
// Sums over channels, which dB and dC need, are matrix products:
//   dC(state, token) = sum over channels of h(state, channel) dy(channel, token)
//   dB(state, token) = sum over channels of g(state, channel) (dt u)(channel, token)
// A warp's fragment holds states in its rows (one for each half) and, in its columns, four tokens
// for each half; entries that cross the halves mean nothing and are dropped. The octets of a tile
// add to the same fragments. Sums over states meet in shared memory, after which each lane finishes
// two tokens of its channel.
#pragma once

#include <cstdint>

#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/scan_backward_stage.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

__device__ __forceinline__ void unpack(const float4& from, float (&to)[kLaneStates]) {
  to[0] = from.x;
  to[1] = from.y;
  to[2] = from.z;
  to[3] = from.w;
}

__device__ __forceinline__ float4 packed(const float (&from)[kLaneStates]) {
  return make_float4(from[0], from[1], from[2], from[3]);
}

/// A lane's place in an octet.
struct LanePlace {
  int channel;  // of the octet
  int sub;      // which four states

  __device__ LanePlace()
      : channel(lane_index() % 4 + lane_index() / 16 * 4), sub(lane_index() / 4 % 4) {}
};

/// Fragments of dB or dC: of a tile's first and last four tokens, for a lane's two pairs of states.
struct StateSums {
  float d[2][2][4] = {};

  /// Adds the products of token i of the tile: the states of this lane's channels, one in each
  /// octet, times the channels' values. own: a channel's values at the tokens sub and sub + 4, the
  /// only ones that this lane contributes to the factor.
  template <bool kExact, int kWalked>
  __device__ __forceinline__ void add(
      const float (&states)[kWalked][kLaneStates], const float (&own)[kWalked][2], int i, int sub) {
    float column[kWalked];
#pragma unroll
    for (int o = 0; o < kWalked; ++o) column[o] = sub == i % 4 ? own[o][i / 4] : 0.0F;
#pragma unroll
    for (int p = 0; p < 2; ++p) {
      float rows[2 * kWalked];
#pragma unroll
      for (int o = 0; o < kWalked; ++o) {
        rows[2 * o] = states[o][2 * p];
        rows[2 * o + 1] = states[o][2 * p + 1];
      }
      if (kExact) {
        mma_float(d[p][i / 4], rows, column);
      } else {
        mma_tf32(d[p][i / 4], rows, column);
      }
    }
  }

  /// Leaves the fragments of this warp, slot `which` (0: dB, 1: dC).
  __device__ __forceinline__ void leave(float4* fragments, int which) const {
    const int half = lane_index() / 16;
    if (lane_index() % 4 / 2 != half) {
      return;
    }
    const int place = half * 8 + lane_index() / 4 % 4 * 2 + lane_index() % 2;
#pragma unroll
    for (int p = 0; p < 2; ++p) {
#pragma unroll
      for (int quad = 0; quad < 2; ++quad) {
        fragments[((which * 2 + p) * 2 + quad) * 16 + place] = packed(d[p][quad]);
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

/// Writes a tile's partial sums from the fragments that the warp's lanes left.
__device__ __forceinline__ void write_partial_sums(const float4* fragments, float4* to) {
#pragma unroll
  for (int begin = 0; begin < kTilePartials; begin += kWarpSize) {
    const int i = begin + lane_index();
    const float4 first = fragments[i / 8 * 16 + i % 8];
    const float4 second = fragments[i / 8 * 16 + 8 + i % 8];
    to[i] =
        make_float4(first.x + second.x, first.y + second.y, first.z + second.z, first.w + second.w);
  }
}

/// The walk there: the warp's states of all its octets.
template <typename Form>
struct WalkThere {
  float A[Form::kOctets][kLaneStates];
  float h[Form::kOctets][kLaneStates];

  /// Takes the states through the staged tile.
  __device__ __forceinline__ void walk(const LanePlace& place) {
    const auto& shared = backward_shared<Form>();
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
      float b[kLaneStates];
      unpack(*reinterpret_cast<const float4*>(&shared.bc[i][0][4 * place.sub]), b);
#pragma unroll
      for (int o = 0; o < Form::kOctets; ++o) {
        const int slot = shared.slot(o * kOctetChannels + place.channel);
        const float2 item = shared.there[i][slot];
#pragma unroll
        for (int n = 0; n < kLaneStates; ++n) {
          h[o][n] = fmaf(fast_exp2(item.x * A[o][n]), h[o][n], item.y * b[n]);
        }
      }
    }
  }
};

/// The walk there and back of kWalked octets through the staged tile.
template <typename Form>
struct WalkBack {
  static constexpr int kWalked = Form::kWalked;
  static constexpr bool kExact = sizeof(typename Form::Storage) == sizeof(float);

  float A[kWalked][kLaneStates];
  float dA[kWalked][kLaneStates];
  float h[kWalked][kLaneStates];
  float carried[kWalked][kLaneStates];
  float decay[kTileTokens][kWalked][kLaneStates];
  float decayed[kTileTokens][kWalked][kLaneStates];

  /// Fills decay and decayed. slot: of this lane's channel in each octet.
  __device__ __forceinline__ void walk_there(
      const LanePlace& place, const int (&slot)[kWalked], StateSums& dC) {
    const auto& shared = backward_shared<Form>();
    float dy[kWalked][2];
#pragma unroll
    for (int o = 0; o < kWalked; ++o) {
      dy[o][0] = shared.back[place.sub][slot[o]].y;
      dy[o][1] = shared.back[place.sub + 4][slot[o]].y;
    }
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
      float b[kLaneStates];
      unpack(*reinterpret_cast<const float4*>(&shared.bc[i][0][4 * place.sub]), b);
#pragma unroll
      for (int o = 0; o < kWalked; ++o) {
        const float2 item = shared.there[i][slot[o]];
#pragma unroll
        for (int n = 0; n < kLaneStates; ++n) {
          decay[i][o][n] = fast_exp2(item.x * A[o][n]);
          decayed[i][o][n] = decay[i][o][n] * h[o][n];
          h[o][n] = fmaf(item.y, b[n], decayed[i][o][n]);
        }
      }
      dC.template add<kExact>(h, dy, i, place.sub);
    }
  }

  /// Back again; leaves the sums over the lane's states of g B and A g exp(dt A) h.
  __device__ __forceinline__ void walk_back(
      const LanePlace& place, const int (&slot)[kWalked], StateSums& dB) {
    auto& shared = backward_shared<Form>();
    float input[kWalked][2];
#pragma unroll
    for (int o = 0; o < kWalked; ++o) {
      input[o][0] = shared.there[place.sub][slot[o]].y;
      input[o][1] = shared.there[place.sub + 4][slot[o]].y;
    }
    float gB[kWalked][4];
    float gA[kWalked][4];
#pragma unroll
    for (int i = kTileTokens - 1; i >= 0; --i) {
      float b[kLaneStates], c[kLaneStates], g[kWalked][kLaneStates];
      unpack(*reinterpret_cast<const float4*>(&shared.bc[i][0][4 * place.sub]), b);
      unpack(*reinterpret_cast<const float4*>(&shared.bc[i][1][4 * place.sub]), c);
#pragma unroll
      for (int o = 0; o < kWalked; ++o) {
        const float2 item = shared.back[i][slot[o]];
        float sum_gB = 0.0F;
        float sum_gA = 0.0F;
#pragma unroll
        for (int n = 0; n < kLaneStates; ++n) {
          g[o][n] = fmaf(c[n], item.y, carried[o][n]);
          carried[o][n] = decay[i][o][n] * g[o][n];
          sum_gB = fmaf(g[o][n], b[n], sum_gB);
          const float w = g[o][n] * decayed[i][o][n];
          sum_gA = fmaf(w, A[o][n], sum_gA);
          dA[o][n] = fmaf(w, item.x, dA[o][n]);
        }
        gB[o][i % 4] = sum_gB;
        gA[o][i % 4] = sum_gA;
      }
      dB.template add<kExact>(g, input, i, place.sub);
      if (i % 4 != 0) {
        continue;
      }
#pragma unroll
      for (int o = 0; o < kWalked; ++o) {
        float* sums = &shared.sums[o][place.sub * kSumGroup + place.channel * kSumRow + i];
        *reinterpret_cast<float4*>(sums) = packed(gB[o]);
        *reinterpret_cast<float4*>(sums + kTileTokens) = packed(gA[o]);
      }
    }
  }
};

/// Sums over all states of the tokens 2 sub and 2 sub + 1 of this lane's channel in octet `o` of
/// those walked at once: g B and A g exp(dt A) h of each token.
template <typename Form>
__device__ __forceinline__ void add_lanes(const LanePlace& place, int o, float2 (&sums)[2]) {
  const float* row = &backward_shared<Form>().sums[o][place.channel * kSumRow + 2 * place.sub];
  sums[0] = sums[1] = make_float2(0.0F, 0.0F);
#pragma unroll
  for (int i = 0; i < kGroupStates / kLaneStates; ++i) {
    const float2 gB = *reinterpret_cast<const float2*>(row + i * kSumGroup);
    const float2 gA = *reinterpret_cast<const float2*>(row + i * kSumGroup + kTileTokens);
    sums[0].x += gB.x;
    sums[1].x += gB.y;
    sums[0].y += gA.x;
    sums[1].y += gA.y;
  }
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
