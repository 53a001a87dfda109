// The forward kernel of the convolution: a thread walks the tokens of its chunk once and writes the
// outputs of all directions. causal_conv1d_plan.h explains steps, taps and leads.
#pragma once

#include "kernels/cuda/causal_conv1d_window.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Steps whose loads are issued together.
inline constexpr int kConvForwardUnroll = 4;

/// The outputs of kConvForwardUnroll steps, the first of which begins with token x[0].
template <typename T, int kTaps, int kPack>
__device__ __forceinline__ void compute_outputs(
    const ConvTaps<kTaps, kPack>& taps,
    const float (&x)[kTaps - 1 + kConvForwardUnroll][kPack],
    bool has_silu,
    float (&o)[kConvForwardUnroll][kPack]) {
#pragma unroll
  for (int r = 0; r < kConvForwardUnroll; ++r) {
    pre_activation<T>(taps, x + r, o[r]);
  }
  if (has_silu) {
#pragma unroll
    for (int r = 0; r < kConvForwardUnroll; ++r) {
#pragma unroll
      for (int c = 0; c < kPack; ++c) {
        o[r][c] = silu(o[r][c]);
      }
    }
  }
}

template <typename T, int kTaps, int kPack>
__device__ __forceinline__ void write_outputs(
    const ConvTaps<kTaps, kPack>& taps,
    const float (&x)[kTaps - 1 + kConvForwardUnroll][kPack],
    const ConvTokens<T, kPack>& out,
    bool has_silu) {
  float o[kConvForwardUnroll][kPack];
  compute_outputs<T>(taps, x, has_silu, o);
#pragma unroll
  for (int r = 0; r < kConvForwardUnroll; ++r) {
    out.store(r, o[r]);
  }
}

template <typename T, int kTaps, int kPack, int kDirections>
__global__ void __launch_bounds__(kConvThreads)
    causal_conv1d_forward_kernel(ConvParams params, ConvGrid grid) {
  constexpr int kHalo = kTaps - 1;
  constexpr int kUnroll = kConvForwardUnroll;
  const ConvPlace place = conv_place<kTaps, kPack>(params, grid);
  if (!place.has_work()) {
    return;
  }
  using Taps = ConvTaps<kTaps, kPack>;
  using Output = ConvTokens<T, kPack>;
  constexpr int kLast = kDirections - 1;
  const Taps taps[2] = {Taps(params, 0, place.channel), Taps(params, kLast, place.channel)};
  const int64_t seqlen = params.seqlen;
  Output out[2] = {
      Output(params.direction[0].out, place, seqlen, place.begin + taps[0].lead),
      Output(params.direction[kLast].out, place, seqlen, place.begin + taps[kLast].lead)};
  ConvTokens<const T, kPack> tokens(params.x, place, seqlen, place.begin);
  RawPack<T, kPack> next[kUnroll];
  const auto fetch_next = [&] {
#pragma unroll
    for (int r = 0; r < kUnroll; ++r) next[r] = tokens.fetch(kHalo + r);
  };
  if constexpr (kConvFetchesAhead<T, kTaps>) fetch_next();
  float x[kHalo + kUnroll][kPack];
#pragma unroll
  for (int j = 0; j < kHalo; ++j) {
    tokens.load(j, x[j]);
  }
#pragma unroll 1
  for (int step = place.begin; step < place.end; step += kUnroll) {
    if constexpr (!kConvFetchesAhead<T, kTaps>) fetch_next();
    tokens.advance(kUnroll);
#pragma unroll
    for (int r = 0; r < kUnroll; ++r) unpack_raw(next[r], x[kHalo + r]);
    if constexpr (kConvFetchesAhead<T, kTaps>) fetch_next();
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
      write_outputs(taps[i], x, out[i], params.silu);
      out[i].advance(kUnroll);
    }
#pragma unroll
    for (int j = 0; j < kHalo; ++j) {
#pragma unroll
      for (int c = 0; c < kPack; ++c) {
        x[j][c] = x[kUnroll + j][c];
      }
    }
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
