// The specification of the causal convolution, one channel and one token at a time.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/causal_conv1d_impl.h"
#include "kernels/storage.h"

namespace vim::kernels::scalar {
namespace {

// One channel of one batch entry.
struct Channel {
  int64_t batch;
  int64_t channel;
};

template <typename T>
float load(const TokenView& view, Channel at, int64_t token) {
  const int64_t offset = at.batch * view.batch_stride + token * view.token_stride + at.channel;
  return to_float(static_cast<const T*>(view.data)[offset]);
}

template <typename T>
void store(const MutableTokenView& view, Channel at, int64_t token, float value) {
  const int64_t offset = at.batch * view.batch_stride + token * view.token_stride + at.channel;
  static_cast<T*>(view.data)[offset] = from_float<T>(value);
}

// The token that tap k multiplies for the output at `token`; it may lie outside the sequence.
int64_t tap_token(
    const ConvParams& params, const ConvDirection& direction, int64_t token, int64_t k) {
  const int64_t distance = params.width - 1 - k;
  return direction.reversed ? token + distance : token - distance;
}

bool inside(const ConvParams& params, int64_t token) { return token >= 0 && token < params.seqlen; }

float sigmoid(float value) { return 1.0F / (1.0F + std::exp(-value)); }

// o_t, before SiLU: bias first, then the taps in order. Summed in double, because where large terms
// cancel SiLU's slope depends on what a float sum would lose.
template <typename T>
float pre_activation(
    const ConvParams& params, const ConvDirection& direction, Channel at, int64_t t) {
  double o = direction.bias == nullptr ? 0.0 : direction.bias[at.channel];
  for (int64_t k = 0; k < params.width; ++k) {
    const int64_t token = tap_token(params, direction, t, k);
    if (inside(params, token)) {
      const double weight = direction.weight[at.channel * params.width + k];
      o += weight * load<T>(params.x, at, token);
    }
  }
  return static_cast<float>(o);
}

template <typename T>
void forward_channel(const ConvParams& params, Channel at) {
  for (int i = 0; i < params.num_directions; ++i) {
    const ConvDirection& direction = params.direction[i];
    for (int64_t t = 0; t < params.seqlen; ++t) {
      const float o = pre_activation<T>(params, direction, at, t);
      store<T>(direction.out, at, t, params.silu ? o * sigmoid(o) : o);
    }
  }
}

// g_t, the gradient of o_t.
template <typename T>
float pre_activation_grad(const ConvBackwardParams& params, int i, Channel at, int64_t t) {
  const float dout = load<T>(params.dout[i], at, t);
  if (!params.forward.silu) {
    return dout;
  }
  const float o = pre_activation<T>(params.forward, params.forward.direction[i], at, t);
  const float s = sigmoid(o);
  return dout * s * (1.0F + o * (1.0F - s));
}

// dx at one token: it entered the outputs at distance width-1-k as tap k.
template <typename T>
float input_grad(const ConvBackwardParams& params, Channel at, int64_t token) {
  const ConvParams& forward = params.forward;
  float dx = 0.0F;
  for (int i = 0; i < forward.num_directions; ++i) {
    const ConvDirection& direction = forward.direction[i];
    for (int64_t k = 0; k < forward.width; ++k) {
      const int64_t distance = forward.width - 1 - k;
      const int64_t t = direction.reversed ? token - distance : token + distance;
      if (inside(forward, t)) {
        dx += direction.weight[at.channel * forward.width + k] *
              pre_activation_grad<T>(params, i, at, t);
      }
    }
  }
  return dx;
}

// This channel's share of dweight and dbias, summed over the sequence in double.
template <typename T>
void weight_grads(const ConvBackwardParams& params, int i, Channel at, float* partial) {
  const ConvParams& forward = params.forward;
  double sums[kMaxConvWidth + 1] = {};
  for (int64_t t = 0; t < forward.seqlen; ++t) {
    const float g = pre_activation_grad<T>(params, i, at, t);
    for (int64_t k = 0; k < forward.width; ++k) {
      const int64_t token = tap_token(forward, forward.direction[i], t, k);
      if (inside(forward, token)) {
        sums[k] += g * load<T>(forward.x, at, token);
      }
    }
    sums[forward.width] += g;
  }
  for (int64_t k = 0; k <= forward.width; ++k) {
    partial[k * kConvTile + at.channel % kConvTile] = static_cast<float>(sums[k]);
  }
}

template <typename T>
void backward_channel(const ConvBackwardParams& params, Channel at, int64_t row) {
  for (int64_t t = 0; t < params.forward.seqlen; ++t) {
    store<T>(params.dx, at, t, input_grad<T>(params, at, t));
  }
  for (int i = 0; i < params.forward.num_directions; ++i) {
    weight_grads<T>(params, i, at, conv_partial(params, row, i));
  }
}

// Calls f(channel, row) for every channel of the rows.
template <typename F>
void for_each_channel(const ConvParams& params, RowRange rows, F f) {
  const int64_t num_tiles = conv_num_tiles(params);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t first = row % num_tiles * kConvTile;
    const int64_t last = std::min(first + kConvTile, params.channels);
    for (int64_t c = first; c < last; ++c) {
      f(Channel{row / num_tiles, c}, row);
    }
  }
}

}  // namespace

void causal_conv1d_forward(const ConvParams& params, RowRange rows) {
  visit_dtype(params.dtype, [&](auto tag) {
    for_each_channel(
        params, rows, [&](Channel at, int64_t) { forward_channel<decltype(tag)>(params, at); });
  });
}

void causal_conv1d_backward(const ConvBackwardParams& params, RowRange rows) {
  visit_dtype(params.forward.dtype, [&](auto tag) {
    for_each_channel(params.forward, rows, [&](Channel at, int64_t row) {
      backward_channel<decltype(tag)>(params, at, row);
    });
  });
}

}  // namespace vim::kernels::scalar
