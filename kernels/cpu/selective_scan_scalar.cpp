// The selective scan written to be read: one channel at a time, one loop per formula. It is what
// the vectorised and the CUDA versions are held against. Formulas and names:
// kernels/selective_scan.h; gradients: g is the gradient of the state h, walked from the last step
// to the first.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/selective_scan_impl.h"
#include "kernels/storage.h"

namespace vim::kernels {
namespace {

constexpr float kSoftplusLimit = 20.0F;

float softplus(float x) {
  if (x > kSoftplusLimit) return x;
  return std::max(x, 0.0F) +
         std::log1p(std::exp(-std::abs(x)));  // log(1 + exp(x)) without overflow
}

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

float softplus_derivative(float x) { return x > kSoftplusLimit ? 1.0F : sigmoid(x); }

template <typename Storage>
float load(const TokenView& view, int64_t batch, int64_t token, int64_t channel) {
  const auto* data = static_cast<const Storage*>(view.data);
  return to_float(data[batch * view.batch_stride + token * view.token_stride + channel]);
}

template <typename Storage>
void store(
    const MutableTokenView& view, int64_t batch, int64_t token, int64_t channel, float value) {
  auto* data = static_cast<Storage*>(view.data);
  data[batch * view.batch_stride + token * view.token_stride + channel] =
      from_float<Storage>(value);
}

/// One direction of one channel of one sample: the tensors at the step that is walked.
template <typename Storage>
struct ChannelWalk {
  const ScanParams& params;
  const ScanDirection& in;
  int direction;
  int64_t batch;
  int64_t group;
  int64_t channel;

  ChannelWalk(const ScanParams& scan, int index, const ScanTile& tile, int64_t c)
      : params(scan),
        in(scan.direction[index]),
        direction(index),
        batch(tile.batch),
        group(tile.group),
        channel(c) {}

  int64_t token(int64_t step) const { return walk_token(params, direction, step); }
  float u(int64_t step) const { return load<Storage>(in.u, batch, token(step), channel); }
  float raw_delta(int64_t step) const {
    const float bias = in.delta_bias == nullptr ? 0.0F : in.delta_bias[channel];
    return load<Storage>(in.delta, batch, token(step), channel) + bias;
  }
  float dt(int64_t step) const {
    return params.delta_softplus ? softplus(raw_delta(step)) : raw_delta(step);
  }
  float A(int64_t n) const { return in.A[channel * params.d_state + n]; }
  float B(int64_t step, int64_t n) const {
    return load<Storage>(in.B, batch, token(step), group * params.d_state + n);
  }
  float C(int64_t step, int64_t n) const {
    return load<Storage>(in.C, batch, token(step), group * params.d_state + n);
  }
  float D() const { return in.D == nullptr ? 0.0F : in.D[channel]; }
};

/// Advances the states h (d_state) by one step and returns y of that step.
template <typename Storage>
float advance(const ChannelWalk<Storage>& walk, int64_t step, const float* previous, float* h) {
  const float u = walk.u(step);
  const float dt = walk.dt(step);
  float y = walk.D() * u;
  for (int64_t n = 0; n < walk.params.d_state; ++n) {
    h[n] = std::exp(dt * walk.A(n)) * previous[n] + dt * walk.B(step, n) * u;
    y += walk.C(step, n) * h[n];
  }
  return y;
}

template <typename Storage>
float gate(const ScanParams& params, int64_t batch, int64_t token, int64_t channel) {
  if (params.z.data == nullptr) return 1.0F;
  const float z = load<Storage>(params.z, batch, token, channel);
  return z * sigmoid(z);
}

template <typename Storage>
void write_gated_output(const ScanParams& params, int64_t batch, int64_t channel, const float* y) {
  for (int64_t t = 0; t < params.seqlen; ++t) {
    const float gated = params.scale * y[t] * gate<Storage>(params, batch, t, channel);
    store<Storage>(params.out, batch, t, channel, gated);
  }
}

template <typename Storage>
void forward_channel(const ScanParams& params, const ScanTile& tile, int64_t channel, float* y) {
  std::fill(y, y + params.seqlen, 0.0F);
  for (int i = 0; i < params.num_directions; ++i) {
    const ChannelWalk<Storage> walk(params, i, tile, channel);
    float h[kMaxScanStates] = {};
    for (int64_t step = 0; step < params.seqlen; ++step) {
      y[walk.token(step)] += advance(walk, step, h, h);
    }
    if (walk.in.last_state != nullptr) {
      const int64_t entry = (tile.batch * params.d_inner + channel) * params.d_state;
      std::copy(h, h + params.d_state, walk.in.last_state + entry);
    }
  }
  write_gated_output<Storage>(params, tile.batch, channel, y);
}

/// Buffers of one channel's backward. h holds the states of all steps, after a row of zeros: the
/// state that enters step t is h + t * d_state, the one that leaves it follows. y is by token.
struct ChannelBuffers {
  float* y;
  float* h;
};

/// Recomputes the states of one direction and adds its y to buffers.y.
template <typename Storage>
void recompute_states(const ChannelWalk<Storage>& walk, const ChannelBuffers& buffers) {
  const int64_t d_state = walk.params.d_state;
  std::fill(buffers.h, buffers.h + d_state, 0.0F);
  for (int64_t step = 0; step < walk.params.seqlen; ++step) {
    const float* previous = buffers.h + step * d_state;
    buffers.y[walk.token(step)] += advance(walk, step, previous, buffers.h + (step + 1) * d_state);
  }
}

template <typename Storage>
void write_dz(const ScanBackwardParams& params, int64_t batch, int64_t channel, const float* y) {
  const ScanParams& forward = params.forward;
  for (int64_t t = 0; t < forward.seqlen; ++t) {
    const float z = load<Storage>(forward.z, batch, t, channel);
    const float s = sigmoid(z);
    const float dout = load<Storage>(params.dout, batch, t, channel);
    const float dz = dout * forward.scale * y[t] * s * (1.0F + z * (1.0F - s));
    store<Storage>(params.dz, batch, t, channel, dz);
  }
}

/// The reverse walk of one direction of one channel. dB and dC of the row's workspace accumulate
/// over the channels of the tile, dA, dD and ddelta_bias are this channel's own.
template <typename Storage>
void reverse_walk(
    const ScanBackwardParams& params,
    const ChannelWalk<Storage>& walk,
    int64_t row,
    const float* h) {
  const int64_t d_state = walk.params.d_state;
  const ScanDirectionGrads& grads = params.grads[walk.direction];
  const ScanWorkspace workspace(params);
  float* dB = workspace.dB(row, walk.direction);
  float* dC = workspace.dC(row, walk.direction);
  float* dA = workspace.dA(walk.batch, walk.direction) + walk.channel * d_state;
  std::fill(dA, dA + d_state, 0.0F);
  float dD = 0.0F;
  float ddelta_bias = 0.0F;
  float next[kMaxScanStates] = {};  // exp(dt A) g of the step after
  for (int64_t step = walk.params.seqlen - 1; step >= 0; --step) {
    const int64_t t = walk.token(step);
    const float u = walk.u(step);
    const float dt = walk.dt(step);
    const float dy = load<Storage>(params.dout, walk.batch, t, walk.channel) * walk.params.scale *
                     gate<Storage>(walk.params, walk.batch, t, walk.channel);
    float du = walk.D() * dy;
    float ddt = 0.0F;
    for (int64_t n = 0; n < d_state; ++n) {
      const float a = std::exp(dt * walk.A(n));
      const float g = walk.C(step, n) * dy + next[n];
      const float decayed = a * h[step * d_state + n];
      du += g * dt * walk.B(step, n);
      ddt += g * (walk.B(step, n) * u + walk.A(n) * decayed);
      dA[n] += g * dt * decayed;
      dB[t * d_state + n] += g * dt * u;
      dC[t * d_state + n] += dy * h[(step + 1) * d_state + n];
      next[n] = a * g;
    }
    const float ddelta =
        walk.params.delta_softplus ? ddt * softplus_derivative(walk.raw_delta(step)) : ddt;
    dD += dy * u;
    ddelta_bias += ddelta;
    store<Storage>(grads.du, walk.batch, t, walk.channel, du);
    store<Storage>(grads.ddelta, walk.batch, t, walk.channel, ddelta);
  }
  workspace.dD(walk.batch, walk.direction)[walk.channel] = dD;
  workspace.ddelta_bias(walk.batch, walk.direction)[walk.channel] = ddelta_bias;
}

template <typename Storage>
void backward_channel(
    const ScanBackwardParams& params,
    const ScanTile& tile,
    int64_t row,
    int64_t channel,
    const ChannelBuffers& buffers) {
  const ScanParams& forward = params.forward;
  std::fill(buffers.y, buffers.y + forward.seqlen, 0.0F);
  for (int i = 0; i < forward.num_directions; ++i) {
    const ChannelWalk<Storage> walk(forward, i, tile, channel);
    recompute_states(walk, buffers);
    if (finishes_dz(params, i)) write_dz<Storage>(params, tile.batch, channel, buffers.y);
    reverse_walk(params, walk, row, buffers.h);
  }
  if (forward.out.data != nullptr) {
    write_gated_output<Storage>(forward, tile.batch, channel, buffers.y);
  }
}

template <typename Storage>
void backward_row(const ScanBackwardParams& params, int64_t row) {
  const ScanParams& forward = params.forward;
  const ScanTile tile = scan_tile(forward, row);
  const ScanWorkspace workspace(params);
  for (int i = 0; i < forward.num_directions; ++i) {
    float* partial = workspace.dB(row, i);  // dC follows dB
    std::fill(partial, partial + 2 * forward.seqlen * forward.d_state, 0.0F);
  }
  float* scratch = scan_scratch(forward.seqlen + (forward.seqlen + 1) * forward.d_state);
  const ChannelBuffers buffers{scratch, scratch + forward.seqlen};
  for (int64_t c = tile.begin; c < tile.begin + tile.width; ++c) {
    backward_channel<Storage>(params, tile, row, c, buffers);
  }
}

}  // namespace

namespace scalar {

void selective_scan_forward(const ScanParams& params, RowRange rows) {
  visit_dtype(params.dtype, [&](auto storage) {
    using Storage = decltype(storage);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const ScanTile tile = scan_tile(params, row);
      float* y = scan_scratch(params.seqlen);
      for (int64_t c = tile.begin; c < tile.begin + tile.width; ++c) {
        forward_channel<Storage>(params, tile, c, y);
      }
    }
  });
}

void selective_scan_backward(const ScanBackwardParams& params, RowRange rows) {
  visit_dtype(params.forward.dtype, [&](auto storage) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      backward_row<decltype(storage)>(params, row);
    }
  });
}

}  // namespace scalar
}  // namespace vim::kernels
