// The backward kernel of the convolution. A thread walks the steps of its chunk: with g the
// gradient of o,
//
//   dx_p = sum over directions and j of tap[j] g(step p - j),   dtap[j] = sum_s g(s) x_{s+j},
//
// so that windows of the last steps' g and of x hold all it needs. The H steps before the chunk are
// computed again for their g alone. dtap and dbias are summed over the block's rows in row order
// and written as a partial sum. causal_conv1d_plan.h explains steps, taps and leads.
#pragma once

#include "kernels/cuda/causal_conv1d_products.cuh"
#include "kernels/cuda/causal_conv1d_window.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Steps whose loads are issued together.
inline constexpr int kConvBackwardUnroll = 4;

/// Blocks that a multiprocessor holds at least. A fourth one beside the products would leave too
/// few registers: addresses are then computed again at every step.
constexpr int conv_backward_blocks(int taps, bool multiplies) {
  return taps == kAnyWidthTaps || multiplies ? 3 : 4;
}

/// What a thread reads and writes, at the next step.
template <typename T, int kTaps, int kPack, int kDirections>
struct ConvBackwardView {
  ConvTaps<kTaps, kPack> taps[2];
  ConvTokens<const T, kPack> x;
  ConvTokens<const T, kPack> dout[2];
  ConvTokens<T, kPack> dx;
  bool has_silu;

  __device__ __forceinline__
  ConvBackwardView(const ConvBackwardParams& params, const ConvPlace& place, int step)
      : taps{{params.forward, 0, place.channel}, {params.forward, kDirections - 1, place.channel}},
        x(params.forward.x, place, params.forward.seqlen, step),
        dout{
            {params.dout[0], place, params.forward.seqlen, step + taps[0].lead},
            {params.dout[kDirections - 1],
             place,
             params.forward.seqlen,
             step + taps[kDirections - 1].lead}},
        dx(params.dx, place, params.forward.seqlen, step),
        has_silu(params.forward.silu) {}

  __device__ __forceinline__ void advance(int steps) {
    x.advance(steps);
    dx.advance(steps);
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
      dout[i].advance(steps);
    }
  }
};

/// Windows and sums of a thread. Before step s, x holds tokens s ... s + H - 1 and grads steps
/// s - H ... s - 1 in its first rows.
template <int kTaps, int kPack, int kDirections>
struct ConvBackwardState {
  static constexpr int kHalo = kTaps - 1;
  static constexpr int kMaxSteps = kHalo > kConvBackwardUnroll ? kHalo : kConvBackwardUnroll;

  float x[kHalo + kMaxSteps][kPack];
  float grads[kDirections][kHalo + kMaxSteps][kPack];
  float tap_sum[kDirections][kTaps][kPack];
  float bias_sum[kDirections][kPack];

  __device__ __forceinline__ void clear_sums() {
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
#pragma unroll
      for (int c = 0; c < kPack; ++c) {
        bias_sum[i][c] = 0.0F;
#pragma unroll
        for (int j = 0; j < kTaps; ++j) {
          tap_sum[i][j][c] = 0.0F;
        }
      }
    }
  }
};

/// Moves kCount rows to the front.
template <int kCount, int kFrom, int kRows, int kPack>
__device__ __forceinline__ void shift_rows(float (&rows)[kRows][kPack]) {
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
#pragma unroll
    for (int c = 0; c < kPack; ++c) {
      rows[j][c] = rows[kFrom + j][c];
    }
  }
}

/// Turns the row of dout in grads into the gradient of o.
template <typename T, int kTaps, int kPack>
__device__ __forceinline__ void apply_slope(
    const ConvTaps<kTaps, kPack>& taps, const float (*x)[kPack], float (&g)[kPack]) {
  float o[kPack];
  pre_activation<T>(taps, x, o);
#pragma unroll
  for (int c = 0; c < kPack; ++c) {
    g[c] *= silu_slope(o[c]);
  }
}

template <int kTaps, int kPack>
__device__ __forceinline__ void add_tap_grads(
    const ConvTaps<kTaps, kPack>& taps,
    const float (*x)[kPack],
    const float (&g)[kPack],
    float (&sums)[kTaps][kPack]) {
#pragma unroll
  for (int j = 0; j < kTaps; ++j) {
    if (!taps.has_tap(j)) {
      continue;
    }
#pragma unroll
    for (int c = 0; c < kPack; ++c) {
      sums[j][c] = fmaf(g[c], x[j][c], sums[j][c]);
    }
  }
}

/// Adds a direction's share of dx; newest is the row of grads of this step.
template <int kTaps, int kPack>
__device__ __forceinline__ void add_input_grad(
    const ConvTaps<kTaps, kPack>& taps, const float (*newest)[kPack], float (&dx)[kPack]) {
#pragma unroll
  for (int j = 0; j < kTaps; ++j) {
    if (!taps.has_tap(j)) {
      continue;
    }
#pragma unroll
    for (int c = 0; c < kPack; ++c) {
      dx[c] = fmaf(taps.tap[j][c], newest[-j][c], dx[c]);
    }
  }
}

/// What kSteps steps need, as it lies in memory.
template <int kSteps, typename T, int kPack, int kDirections>
struct ConvBackwardInputs {
  RawPack<T, kPack> x[kSteps];
  RawPack<T, kPack> dout[kDirections][kSteps];

  /// Of the steps that lie `ahead` of the view's.
  template <int kTaps>
  __device__ __forceinline__ void fetch(
      const ConvBackwardView<T, kTaps, kPack, kDirections>& view, int ahead) {
#pragma unroll
    for (int r = 0; r < kSteps; ++r) {
      x[r] = view.x.fetch(kTaps - 1 + ahead + r);
#pragma unroll
      for (int i = 0; i < kDirections; ++i) dout[i][r] = view.dout[i].fetch(ahead + r);
    }
  }
};

/// Turns the inputs of kSteps steps into windows of x and g. half: of the products' tile.
template <int kSteps, typename T, int kTaps, int kPack, int kDirections, typename Products>
__device__ __forceinline__ void fill_windows(
    const ConvBackwardView<T, kTaps, kPack, kDirections>& view,
    const ConvBackwardInputs<kSteps, T, kPack, kDirections>& inputs,
    const Products& products,
    int half,
    ConvBackwardState<kTaps, kPack, kDirections>& state) {
  constexpr int kHalo = kTaps - 1;
#pragma unroll
  for (int r = 0; r < kSteps; ++r) {
    unpack_raw(inputs.x[r], state.x[kHalo + r]);
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
      unpack_raw(inputs.dout[i][r], state.grads[i][kHalo + r]);
    }
  }
#pragma unroll
  for (int i = 0; i < kDirections; ++i) {
    products.template add<kSteps>(i, half, state.grads[i] + kHalo);
  }
  if (!view.has_silu) {
    return;
  }
#pragma unroll
  for (int r = 0; r < kSteps; ++r) {
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
      apply_slope<T>(view.taps[i], state.x + r, state.grads[i][kHalo + r]);
    }
  }
}

/// Writes dx and adds to the sums for the step whose g is row kHalo + r.
template <typename T, int kTaps, int kPack, int kDirections>
__device__ __forceinline__ void use_gradients(
    const ConvBackwardView<T, kTaps, kPack, kDirections>& view,
    ConvBackwardState<kTaps, kPack, kDirections>& state,
    int r) {
  float dx[kPack] = {};
#pragma unroll
  for (int i = 0; i < kDirections; ++i) {
    const float(*newest)[kPack] = state.grads[i] + kTaps - 1 + r;
    add_tap_grads(view.taps[i], state.x + r, *newest, state.tap_sum[i]);
    add_input_grad(view.taps[i], newest, dx);
#pragma unroll
    for (int c = 0; c < kPack; ++c) {
      state.bias_sum[i][c] += newest[0][c];
    }
  }
  view.dx.store(r, dx);
}

/// Moves on by kSteps.
template <int kSteps, typename T, int kTaps, int kPack, int kDirections>
__device__ __forceinline__ void advance(
    ConvBackwardView<T, kTaps, kPack, kDirections>& view,
    ConvBackwardState<kTaps, kPack, kDirections>& state) {
  view.advance(kSteps);
  shift_rows<kTaps - 1, kSteps>(state.x);
#pragma unroll
  for (int i = 0; i < kDirections; ++i) {
    shift_rows<kTaps - 1, kSteps>(state.grads[i]);
  }
}

template <typename T, int kTaps, int kPack, int kDirections, typename Products>
__device__ __forceinline__ void walk_chunk(
    const ConvBackwardParams& params,
    const ConvPlace& place,
    Products& products,
    ConvBackwardState<kTaps, kPack, kDirections>& state) {
  constexpr int kHalo = kTaps - 1;
  ConvBackwardView<T, kTaps, kPack, kDirections> view(params, place, place.begin - kHalo);
#pragma unroll
  for (int j = 0; j < kHalo; ++j) {
    view.x.load(j, state.x[j]);
  }
  ConvBackwardInputs<kHalo, T, kPack, kDirections> halo;
  halo.fetch(view, 0);
  ConvBackwardInputs<kConvBackwardUnroll, T, kPack, kDirections> inputs;
  if constexpr (kConvFetchesAhead<T, kTaps>) inputs.fetch(view, kHalo);
  products.advance();
  fill_windows(view, halo, products, 0, state);
  advance<kHalo>(view, state);
  int half = 1;
#pragma unroll 1
  for (int step = place.begin; step < place.end; step += kConvBackwardUnroll) {
    if constexpr (!kConvFetchesAhead<T, kTaps>) inputs.fetch(view, 0);
    if (half == 0) products.advance();
    fill_windows(view, inputs, products, half, state);
    half ^= 1;
    if constexpr (kConvFetchesAhead<T, kTaps>) inputs.fetch(view, kConvBackwardUnroll);
#pragma unroll
    for (int r = 0; r < kConvBackwardUnroll; ++r) {
      use_gradients(view, state, r);
    }
    advance<kConvBackwardUnroll>(view, state);
  }
}

/// Sums of one row and direction for a tile of channels; row kTaps is the bias.
template <int kTaps, int kPack>
struct ConvTileSums {
  float sum[kTaps + 1][kWarpSize * kPack];
};

/// partial: (row blocks, tiles, directions, taps + 1, channels of a tile). kDepthSteps: of the
/// product that is a part of dout; 0: there is none.
template <typename T, int kTaps, int kPack, int kDirections, int kDepthSteps>
__global__ void __launch_bounds__(kConvThreads, conv_backward_blocks(kTaps, kDepthSteps > 0))
    causal_conv1d_backward_kernel(ConvBackwardParams params, ConvGrid grid, float* partial) {
  using TileSums = ConvTileSums<kTaps, kPack>;
  using Products = ConvProducts<T, kDepthSteps, kDirections>;
  TileSums* shared = block_shared<TileSums>();  // [kConvWarps][kDirections]
  ConvBackwardState<kTaps, kPack, kDirections> state;
  state.clear_sums();
  const ConvPlace place = conv_place<kTaps, kPack>(params.forward, grid);
  Products products(params, place);
  if (place.has_work()) {
    walk_chunk<T>(params, place, products, state);
  }
  if constexpr (kDepthSteps > 0) __syncthreads();  // the sums take the products' place
  const int lane = threadIdx.x % kWarpSize;
  TileSums* own = shared + threadIdx.x / kWarpSize * kDirections;
#pragma unroll
  for (int i = 0; i < kDirections; ++i) {
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      store_pack<kPack>(state.tap_sum[i][j], own[i].sum[j] + lane * kPack);
    }
    store_pack<kPack>(state.bias_sum[i], own[i].sum[kTaps] + lane * kPack);
  }
  __syncthreads();
  constexpr int kColumns = kDirections * sizeof(TileSums) / sizeof(float);
  const float* columns = shared->sum[0];
  float* result = partial + static_cast<int64_t>(blockIdx.x) * kColumns;
  for (int column = threadIdx.x; column < kColumns; column += kConvThreads) {
    float total = 0.0F;
#pragma unroll
    for (int warp = 0; warp < kConvWarps; ++warp) {
      total += columns[warp * kColumns + column];
    }
    result[column] = total;
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
