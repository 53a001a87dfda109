// What the forward and the backward of the convolution do alike: find a thread's place, keep the
// taps of a direction, and compute o from the window. causal_conv1d_plan.h explains steps, taps and
// leads.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/causal_conv1d_plan.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Whether the inputs of the next steps are on their way while the present ones are computed. In
/// float, and for any width, that would take more registers than four blocks have.
template <typename T, int kTaps>
inline constexpr bool kConvFetchesAhead = sizeof(T) == 2 && kTaps < kAnyWidthTaps;

/// A thread's pack of channels and its steps [begin, end); none if it has no work.
struct ConvPlace {
  int64_t batch;
  int channel;
  int begin;
  int end;

  __device__ bool has_work() const { return begin < end; }
};

template <int kTaps, int kPack>
__device__ __forceinline__ ConvPlace conv_place(const ConvParams& params, const ConvGrid& grid) {
  const unsigned row_block = blockIdx.x / grid.num_tiles;
  const unsigned tile = blockIdx.x - row_block * grid.num_tiles;
  const int lane = threadIdx.x % kWarpSize;
  const int64_t row = static_cast<int64_t>(row_block) * kConvWarps + threadIdx.x / kWarpSize;
  ConvPlace place;
  place.batch = row / grid.num_chunks;
  const int chunk = static_cast<int>(row - place.batch * grid.num_chunks);
  place.channel = static_cast<int>(tile) * grid.tile_channels + lane * kPack;
  place.begin = chunk * grid.chunk_steps - (kTaps - 1);
  place.end = min(place.begin + grid.chunk_steps, static_cast<int>(params.seqlen));
  if (row >= grid.num_rows || place.channel >= params.channels) {
    place.end = place.begin;
  }
  return place;
}

/// A walk along the tokens of one batch entry at a thread's channels. T is const for an input.
template <typename T, int kPack>
struct ConvTokens {
  using Raw = RawPack<std::remove_const_t<T>, kPack>;

  T* data;  // of `token`, which may lie outside the sequence
  int token;
  unsigned stride;  // unsigned, so that an address is one instruction
  unsigned seqlen;

  template <typename View>
  __device__ __forceinline__
  ConvTokens(const View& view, const ConvPlace& place, int64_t length, int first_token)
      : data(
            static_cast<T*>(view.data) + place.batch * view.batch_stride + place.channel +
            first_token * view.token_stride),
        token(first_token),
        stride(static_cast<unsigned>(view.token_stride)),
        seqlen(static_cast<unsigned>(length)) {}

  __device__ __forceinline__ T* at(int ahead) const {
    return data + static_cast<uint64_t>(stride) * static_cast<unsigned>(ahead);
  }

  __device__ __forceinline__ bool has(int ahead) const {
    return static_cast<unsigned>(token + ahead) < seqlen;
  }

  __device__ __forceinline__ void advance(int tokens) {
    data = at(tokens);
    token += tokens;
  }

  /// As it lies in memory, to be converted when it is needed; zeros outside the sequence.
  __device__ __forceinline__ Raw fetch(int ahead) const {
    return has(ahead) ? load_raw<kPack>(at(ahead)) : Raw{};
  }

  /// Zeros for a token outside the sequence.
  __device__ __forceinline__ void load(int ahead, float (&values)[kPack]) const {
    unpack_raw(fetch(ahead), values);
  }

  /// Leaves out a token outside the sequence.
  __device__ __forceinline__ void store(int ahead, const float (&values)[kPack]) const {
    if (has(ahead)) {
      store_pack<kPack>(values, at(ahead));
    }
  }
};

/// Keeps the value in a register: the compiler must not compute it again at every use.
__device__ __forceinline__ void keep(float& value) {
#ifdef __CUDA_ARCH__
  asm volatile("" : "+f"(value));
#else
  (void)value;
#endif
}

/// One direction's taps at a pack of channels, in the order of the window.
template <int kTaps, int kPack>
struct ConvTaps {
  static constexpr bool kIsMasked = kTaps == kAnyWidthTaps;

  float tap[kTaps][kPack];
  float bias[kPack];
  int lead;       // output token minus step
  unsigned mask;  // bit j: tap j belongs to the width, where the kernel serves every width

  __device__ __forceinline__ ConvTaps(const ConvParams& params, int i, int channel) {
    const ConvDirection& direction = params.direction[i];
    lead = direction.reversed ? 0 : kTaps - 1;
    if constexpr (kIsMasked) {
      load_masked(params, direction, channel);
    } else {
      load_all(direction, channel);
    }
#pragma unroll
    for (int c = 0; c < kPack; ++c) {
      bias[c] = 0.0F;
    }
    if (direction.bias != nullptr) {
      load_pack<kPack>(direction.bias + channel, bias);
    }
  }

  __device__ __forceinline__ bool has_tap(int j) const { return !kIsMasked || (mask >> j & 1U); }

 private:
  __device__ __forceinline__ void load_all(const ConvDirection& direction, int channel) {
    float rows[kTaps][kPack];  // kPack channels of kTaps weights, read in kTaps accesses
    const float* weight = direction.weight + static_cast<int64_t>(channel) * kTaps;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      load_pack<kPack>(weight + j * kPack, rows[j]);
    }
    mask = 0;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
#pragma unroll
      for (int c = 0; c < kPack; ++c) {
        const int causal = c * kTaps + j;
        const int turned = c * kTaps + kTaps - 1 - j;
        tap[j][c] = direction.reversed ? rows[turned / kPack][turned % kPack]
                                       : rows[causal / kPack][causal % kPack];
        keep(tap[j][c]);
      }
    }
  }

  __device__ __forceinline__ void load_masked(
      const ConvParams& params, const ConvDirection& direction, int channel) {
    const int width = static_cast<int>(params.width);
    mask = 0;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      const int distance = direction.reversed ? j : kTaps - 1 - j;
      const bool belongs = distance < width;
      mask |= belongs ? 1U << j : 0U;
#pragma unroll
      for (int c = 0; c < kPack; ++c) {
        const int64_t first = (static_cast<int64_t>(channel) + c) * width;
        tap[j][c] = belongs ? direction.weight[first + width - 1 - distance] : 0.0F;
      }
    }
  }
};

/// sum + a * b, and adds what the rounding lost to `lost`.
__device__ __forceinline__ float add_product(float a, float b, float sum, float& lost) {
  const float total = fmaf(a, b, sum);
  const float added = total - sum;
  lost += (sum - (total - added)) + fmaf(a, b, -added);
  return total;
}

/// o of the step whose first token is rows[0]. With float storage the sum is compensated: where
/// large terms cancel, SiLU's slope depends on what a plain sum would lose.
template <typename T, int kTaps, int kPack>
__device__ __forceinline__ void pre_activation(
    const ConvTaps<kTaps, kPack>& taps, const float (*rows)[kPack], float (&o)[kPack]) {
#pragma unroll
  for (int c = 0; c < kPack; ++c) {
    float sum = taps.bias[c];
    float lost = 0.0F;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      if (!taps.has_tap(j)) {
        continue;
      }
      if constexpr (sizeof(T) == sizeof(float)) {
        sum = add_product(taps.tap[j][c], rows[j][c], sum, lost);
      } else {
        sum = fmaf(taps.tap[j][c], rows[j][c], sum);
      }
    }
    o[c] = sizeof(T) == sizeof(float) ? sum + lost : sum;
  }
}

/// o * sigmoid(o); error at most 5e-7 max(1, |silu(o)|).
__device__ __forceinline__ float silu(float o) { return o * fast_reciprocal(1.0F + fast_exp(-o)); }

/// Derivative of silu; error at most 1e-6. 1 - sigmoid is taken as e sigmoid with e = exp(-o),
/// since o times the error of a difference would grow with o. The clamp keeps e finite; a NaN goes
/// on through the factor o.
__device__ __forceinline__ float silu_slope(float o) {
  const float e = fast_exp2(fminf(o * -1.44269504F, 126.0F));
  const float s = fast_reciprocal(1.0F + e);
  return s * fmaf(o, e * s, 1.0F);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
