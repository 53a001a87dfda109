// The causal convolution with Highway, vectorised over channels. Tokens are taken in blocks: a
// block of x with its halo is converted to a small float window in the L1 cache, zero outside the
// sequence and beyond the last channel, so that the arithmetic knows neither edges nor storage
// types.
#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/causal_conv1d_hwy.cpp"
#include "hwy/foreach_target.h"
// Highway wants these after foreach_target.h.
#include "hwy/highway.h"
#include "kernels/cpu/causal_conv1d_window-inl.h"
#include "kernels/cpu/vector_math-inl.h"

#include "kernels/cpu/causal_conv1d_impl.h"
#include "kernels/storage.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {
namespace {

constexpr int64_t kForwardBlock = 32;
constexpr int64_t kBackwardBlock = 16;  // smaller: three windows share the cache

using ForwardWindow = Window<kForwardBlock + 2 * kMaxHalo>;

// Writes one direction's outputs for num_tokens tokens from first_token on.
template <typename T, int kWidth>
void forward_block(
    const ConvParams& params,
    const ConvDirection& direction,
    const Taps& taps,
    const Tile& tile,
    const ForwardWindow& window,
    RowRange tokens) {
  const Tag d;
  const MutableTokenView& view = direction.out;
  T* out =
      static_cast<T*>(view.data) + tile.offset(view.batch_stride, view.token_stride, tokens.begin);
  for (int64_t c = 0; c < tile.count; c += num_lanes()) {
    const TapVectors<kWidth> vectors(taps, c);
    const int64_t count = tile.lanes_from(c);
    const float* rows = window.row(taps.shift) + c;
    for (int64_t t = 0; t < tokens.end - tokens.begin; ++t) {
      Vector o = vectors.correlate(rows + t * kConvTile);
      if (params.silu) {
        o = silu(d, o);
      }
      store_part(d, o, out + t * view.token_stride + c, count);
    }
  }
}

template <typename T, int kWidth>
void forward_row(const ConvParams& params, int64_t row) {
  const Tile tile = make_tile(params, row);
  const int64_t halo = params.width - 1;
  Taps taps[kMaxDirections];
  for (int i = 0; i < params.num_directions; ++i) {
    fill_taps(params, params.direction[i], tile, taps[i]);
  }
  ForwardWindow window;
  for (int64_t begin = 0; begin < params.seqlen; begin += kForwardBlock) {
    const int64_t end = std::min(begin + kForwardBlock, params.seqlen);
    load_window<T>(params, tile, begin - halo, end - begin + 2 * halo, window.data);
    for (int i = 0; i < params.num_directions; ++i) {
      forward_block<T, kWidth>(params, params.direction[i], taps[i], tile, window, {begin, end});
    }
  }
}

// What the backward of one direction carries from block to block. grads holds the gradient of o:
// row r is token begin - 2 H + r of the block from `begin` on. A block computes the gradients of
// its own tokens and completes dx of the tokens H earlier; H tokens beyond the sequence, with
// gradient 0, complete the last ones.
struct DirectionState {
  Taps taps;
  Window<kBackwardBlock + 2 * kMaxHalo> grads;
  float* partial;  // layout of conv_partial
  bool reversed;
};

struct BackwardState {
  Tile tile;
  Window<kBackwardBlock + 2 * kMaxHalo> x;
  DirectionState direction[kMaxDirections];
};

// Gradient of o from that of silu(o).
HWY_INLINE Vector silu_backward(Vector o, Vector dout) {
  const Tag d;
  const Vector one = hn::Set(d, 1.0F);
  const Vector s = sigmoid(d, o);
  return hn::Mul(hn::Mul(dout, s), hn::MulAdd(o, hn::Sub(one, s), one));
}

// Adds one vector to a partial sum in memory.
HWY_INLINE void accumulate(Vector value, float* sum) {
  const Tag d;
  hn::StoreU(hn::Add(hn::LoadU(d, sum), value), d, sum);
}

// Gradients of o for the block's tokens and their contribution to dweight and dbias.
template <typename T, int kWidth>
void grad_block(const ConvBackwardParams& params, int i, BackwardState& state, RowRange tokens) {
  const Tag d;
  DirectionState& own = state.direction[i];
  const TokenView& view = params.dout[i];
  const T* dout = static_cast<const T*>(view.data) +
                  state.tile.offset(view.batch_stride, view.token_stride, tokens.begin);
  for (int64_t c = 0; c < state.tile.count; c += num_lanes()) {
    const TapVectors<kWidth> taps(own.taps, c);
    const int64_t count = state.tile.lanes_from(c);
    const float* rows = state.x.row(own.taps.shift) + c;
    float* grads = own.grads.row(2 * (taps.width() - 1)) + c;
    Vector weight_sum[TapVectors<kWidth>::kCapacity];
    for (int64_t j = 0; j < taps.width(); ++j) {
      weight_sum[j] = hn::Zero(d);
    }
    Vector bias_sum = hn::Zero(d);
    for (int64_t t = 0; t < tokens.end - tokens.begin; ++t) {
      const float* x = rows + t * kConvTile;
      Vector g = load_part(d, dout + t * view.token_stride + c, count);
      if (params.forward.silu) {
        g = silu_backward(taps.correlate(x), g);
      }
      hn::Store(g, d, grads + t * kConvTile);
      for (int64_t j = 0; j < taps.width(); ++j) {
        weight_sum[j] = hn::MulAdd(g, hn::Load(d, x + j * kConvTile), weight_sum[j]);
      }
      bias_sum = hn::Add(bias_sum, g);
    }
    for (int64_t j = 0; j < taps.width(); ++j) {
      const int64_t k = own.reversed ? taps.width() - 1 - j : j;
      accumulate(weight_sum[j], own.partial + k * kConvTile + c);
    }
    accumulate(bias_sum, own.partial + taps.width() * kConvTile + c);
  }
}

// dx of token begin - H + i is the sum over taps j of tap[j] times gradient row i + 2 H - shift -
// j.
template <int kWidth>
HWY_INLINE Vector input_grad(const TapVectors<kWidth>& taps, const float* newest_row, Vector sum) {
  const Tag d;
  for (int64_t j = 0; j < taps.width(); ++j) {
    sum = hn::MulAdd(taps.tap[j], hn::Load(d, newest_row - j * kConvTile), sum);
  }
  return sum;
}

// Completes dx of tokens [tokens.begin, tokens.end), the first at gradient row first_row + 2 H.
template <typename T, int kWidth>
void input_grad_block(
    const ConvBackwardParams& params, BackwardState& state, RowRange tokens, int64_t first_row) {
  const Tag d;
  const MutableTokenView& view = params.dx;
  const Tile& tile = state.tile;
  const int num_directions = params.forward.num_directions;
  DirectionState& first = state.direction[0];
  DirectionState& last = state.direction[num_directions - 1];
  const int64_t newest = first_row + 2 * (params.forward.width - 1);
  T* dx =
      static_cast<T*>(view.data) + tile.offset(view.batch_stride, view.token_stride, tokens.begin);
  for (int64_t c = 0; c < tile.count; c += num_lanes()) {
    const TapVectors<kWidth> first_taps(first.taps, c);
    const TapVectors<kWidth> last_taps(last.taps, c);
    const float* first_grads = first.grads.row(newest - first.taps.shift) + c;
    const float* last_grads = last.grads.row(newest - last.taps.shift) + c;
    for (int64_t t = 0; t < tokens.end - tokens.begin; ++t) {
      Vector sum = input_grad(first_taps, first_grads + t * kConvTile, hn::Zero(d));
      if (num_directions == 2) {
        sum = input_grad(last_taps, last_grads + t * kConvTile, sum);
      }
      store_part(d, sum, dx + t * view.token_stride + c, tile.lanes_from(c));
    }
  }
}

void start_row(const ConvBackwardParams& params, int64_t row, BackwardState& state) {
  const ConvParams& forward = params.forward;
  const int64_t halo = forward.width - 1;
  state.tile = make_tile(forward, row);
  for (int i = 0; i < forward.num_directions; ++i) {
    DirectionState& own = state.direction[i];
    fill_taps(forward, forward.direction[i], state.tile, own.taps);
    own.reversed = forward.direction[i].reversed;
    own.partial = conv_partial(params, row, i);
    std::fill(own.partial, own.partial + (forward.width + 1) * kConvTile, 0.0F);
    std::fill(own.grads.row(0), own.grads.row(2 * halo), 0.0F);
  }
}

template <typename T, int kWidth>
void backward_row(const ConvBackwardParams& params, int64_t row) {
  BackwardState state;
  start_row(params, row, state);
  const int64_t seqlen = params.forward.seqlen;
  const int64_t halo = params.forward.width - 1;
  for (int64_t begin = 0; begin < seqlen + halo; begin += kBackwardBlock) {
    const int64_t end = std::min(begin + kBackwardBlock, seqlen + halo);
    const int64_t real_end = std::max(begin, std::min(end, seqlen));
    load_window<T>(
        params.forward, state.tile, begin - halo, real_end - begin + 2 * halo, state.x.data);
    for (int i = 0; i < params.forward.num_directions; ++i) {
      auto& grads = state.direction[i].grads;
      grad_block<T, kWidth>(params, i, state, {begin, real_end});
      std::fill(grads.row(2 * halo + real_end - begin), grads.row(2 * halo + end - begin), 0.0F);
    }
    const int64_t dx_begin = std::max<int64_t>(begin - halo, 0);
    input_grad_block<T, kWidth>(
        params, state, {dx_begin, std::max(dx_begin, end - halo)}, dx_begin - (begin - halo));
    for (int i = 0; i < params.forward.num_directions; ++i) {
      auto& grads = state.direction[i].grads;
      std::memmove(grads.row(0), grads.row(end - begin), 2 * halo * kConvTile * sizeof(float));
    }
  }
}

// Width 4, that of every published model, has its own version.
void forward_rows(const ConvParams& params, RowRange rows) {
  visit_dtype(params.dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto run_row = params.width == 4 ? &forward_row<T, 4> : &forward_row<T, 0>;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      run_row(params, row);
    }
  });
}

void backward_rows(const ConvBackwardParams& params, RowRange rows) {
  visit_dtype(params.forward.dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto run_row = params.forward.width == 4 ? &backward_row<T, 4> : &backward_row<T, 0>;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      run_row(params, row);
    }
  });
}

}  // namespace
}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::kernels {

HWY_EXPORT(forward_rows);
HWY_EXPORT(backward_rows);

namespace simd {

void causal_conv1d_forward(const ConvParams& params, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(forward_rows)(params, rows);
}

void causal_conv1d_backward(const ConvBackwardParams& params, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(backward_rows)(params, rows);
}

}  // namespace simd
}  // namespace vim::kernels
#endif
