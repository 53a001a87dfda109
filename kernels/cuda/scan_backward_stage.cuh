// How a block of the scan's backward brings a tile of tokens from device memory into shared memory
// and its gradients back: each thread takes two neighbouring channels of one token, and some
// threads two neighbouring states of B or C.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_backward_plan.cuh"
#include "kernels/cuda/scan_math.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// What the walks need of a token and channel. After the walk back, x and y hold du and ddelta.
///   x: dt, y: dt u, z: dy (the gradient of the ungated sum), w: u
using ScanItem = float4;

/// A block's shared memory, before the states that enter the tiles.
struct ScanBackwardShared {
  ScanItem items[2][kTileTokens][kTileChannels];  // two tiles by turns
  float bc[2][kTileTokens][2][kGroupStates];
  float4 partial[kBackwardWarps][2 * kTilePartials];
};

__device__ inline ScanBackwardShared& backward_shared() {
  return *block_shared<ScanBackwardShared>();
}

/// This thread's states as they enter a tile of the segment.
__device__ inline float4& state_entering(int tile) {
  auto* states = reinterpret_cast<float4*>(block_shared<ScanBackwardShared>() + 1);
  return states[tile * kBackwardThreads + static_cast<int>(threadIdx.x)];
}

/// Where a block works, and its view of one chunk (segment) of the tokens.
struct ScanBlock {
  int64_t batch;
  int64_t channel_tile;
  ScanTile tile;
  int direction;
  bool reversed;
  int64_t segment;
  int64_t begin;  // tokens of the segment
  int64_t end;
  int64_t state_group;

  __device__ int num_tokens() const { return static_cast<int>(end - begin); }
  __device__ int num_tiles() const { return (num_tokens() + kTileTokens - 1) / kTileTokens; }
  /// Token of a step of the walk through the segment; only for steps below end - begin.
  __device__ int64_t token(int step) const { return reversed ? end - 1 - step : begin + step; }
};

/// What is known when the kernel is compiled. The model's own case, kPlain: gate and softplus,
/// channel and state pairs that can be moved as one, full channel tiles and a single full group of
/// states.
template <typename T, bool kPlain>
struct ScanBackwardForm {
  using Storage = T;
  static constexpr bool kIsPlain = kPlain;
};

/// A thread's share of a tile on its way from device memory: two channels, and two states of B or
/// C.
template <typename T>
struct FetchedTile {
  Pack<T, 2> u = {}, delta = {}, dout = {}, z = {}, bc = {};
  bool exists = false;  // the token is one of the segment's
};

/// Two neighbouring values in storage type; absent ones are 0.
template <typename T>
__device__ __forceinline__ Pack<T, 2> fetch_pair(
    const T* at, bool has_first, bool has_second, bool is_packed) {
  if (is_packed && has_second) {
    return *reinterpret_cast<const Pack<T, 2>*>(at);
  }
  Pack<T, 2> pair = {};
  if (has_first) pair.data[0] = at[0];
  if (has_second) pair.data[1] = at[1];
  return pair;
}

/// Moves tiles of a segment for one thread: fetch() starts the loads of a tile, stage() converts
/// what arrived and puts it into shared memory. Offsets within a sample are 32 bits wide.
template <typename Form>
class ScanTileMover {
  using T = typename Form::Storage;

 public:
  __device__ ScanTileMover(
      const ScanBackwardParams& params, const ScanBackwardPlan& plan, const ScanBlock& block)
      : params_(params),
        plan_(plan),
        block_(block),
        in_(params.forward.direction[block.direction]) {
    channel_ = block.tile.first + 2 * pair();
    has_first_ = Form::kIsPlain || channel_ < block.tile.end;
    has_second_ = Form::kIsPlain || channel_ + 1 < block.tile.end;
    const float* bias = in_.delta_bias;
    bias_[0] = bias != nullptr && has_first_ ? bias[channel_] : 0.0F;
    bias_[1] = bias != nullptr && has_second_ ? bias[channel_ + 1] : 0.0F;
  }

  /// for_gradients: dout and z too.
  __device__ __forceinline__ FetchedTile<T> fetch(int tile, bool for_gradients) const {
    FetchedTile<T> fetched;
    const int step = tile * kTileTokens + row();
    fetched.exists = step < block_.num_tokens();
    const int token = static_cast<int>(block_.token(fetched.exists ? step : 0));
    const auto load = [&](const TokenView& view) {
      const T* at = scan_sample<T>(view, block_.batch) + channel_;
      return fetch_pair(
          at + token * static_cast<int>(view.token_stride),
          has_first_,
          has_second_,
          Form::kIsPlain || plan_.has_pairs);
    };
    fetched.u = load(in_.u);
    fetched.delta = load(in_.delta);
    if (for_gradients) {
      fetched.dout = load(params_.dout);
      if (has_gate()) fetched.z = load(params_.forward.z);
    }
    fetched.bc = fetch_bc(tile);
    return fetched;
  }

  __device__ __forceinline__ void stage(
      const FetchedTile<T>& fetched, int buffer, bool for_gradients) const {
    ScanItem* items = &backward_shared().items[buffer][row()][2 * pair()];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const bool exists = fetched.exists && (i == 0 ? has_first_ : has_second_);
      const float u = exists ? to_float(fetched.u.data[i]) : 0.0F;
      const float raw = to_float(fetched.delta.data[i]) + bias_[i];
      const float step = has_softplus() ? scan_softplus<T>(raw) : raw;
      const float dt = exists ? step : 0.0F;
      if (for_gradients) {
        const float dy = exists ? output_gradient(fetched, i) : 0.0F;
        items[i] = make_float4(dt, dt * u, dy, u);
      } else {
        *reinterpret_cast<float2*>(items + i) = make_float2(dt, dt * u);
      }
    }
    if (threadIdx.x < kBcThreads) {
      auto* at = reinterpret_cast<float2*>(&backward_shared().bc[buffer][0][0][0]);
      at[threadIdx.x] = make_float2(to_float(fetched.bc.data[0]), to_float(fetched.bc.data[1]));
    }
  }

  /// Writes du and ddelta, which the walk left in the items of this tile.
  __device__ __forceinline__ void write_gradients(int tile, int buffer) const {
    const int step = tile * kTileTokens + row();
    if (step >= block_.num_tokens() || !has_first_) {
      return;
    }
    const ScanItem* items = &backward_shared().items[buffer][row()][2 * pair()];
    const int token = static_cast<int>(block_.token(step));
    const ScanDirectionGrads& grads = params_.grads[block_.direction];
    const float2 first = *reinterpret_cast<const float2*>(items);
    const float2 second = *reinterpret_cast<const float2*>(items + 1);
    write_pair(grads.du, token, make_float2(first.x, second.x));
    write_pair(grads.ddelta, token, make_float2(first.y, second.y));
  }

 private:
  // Pairs of states of B and C of a tile, one for each of the first threads.
  static constexpr int kBcThreads = kTileTokens * kGroupStates;
  static_assert(kBcThreads <= kBackwardThreads, "one pair of states for each thread");

  __device__ static int row() { return static_cast<int>(threadIdx.x) / (kTileChannels / 2); }
  __device__ static int pair() { return static_cast<int>(threadIdx.x) % (kTileChannels / 2); }
  __device__ bool has_gate() const { return Form::kIsPlain || params_.forward.z.data != nullptr; }
  __device__ bool has_softplus() const { return Form::kIsPlain || params_.forward.delta_softplus; }

  __device__ __forceinline__ float output_gradient(const FetchedTile<T>& fetched, int i) const {
    const float dout = to_float(fetched.dout.data[i]) * params_.forward.scale;
    if (!has_gate()) {
      return dout;
    }
    const float z = to_float(fetched.z.data[i]);
    return dout * z * scan_sigmoid<T>(z);
  }

  __device__ __forceinline__ Pack<T, 2> fetch_bc(int tile) const {
    if (threadIdx.x >= kBcThreads) {
      return {};
    }
    const int index = static_cast<int>(threadIdx.x);
    const int step = tile * kTileTokens + index / kGroupStates;
    const bool is_C = index % kGroupStates >= kGroupStates / 2;
    const int state =
        static_cast<int>(block_.state_group) * kGroupStates + 2 * (index % (kGroupStates / 2));
    const int d_state = static_cast<int>(params_.forward.d_state);
    const TokenView& view = is_C ? in_.C : in_.B;
    const bool exists = step < block_.num_tokens();
    const int token = static_cast<int>(block_.token(exists ? step : 0));
    const T* at = scan_sample<T>(view, block_.batch) + block_.tile.group * d_state + state;
    return fetch_pair(
        at + token * static_cast<int>(view.token_stride),
        exists && (Form::kIsPlain || state < d_state),
        exists && (Form::kIsPlain || state + 1 < d_state),
        Form::kIsPlain);
  }

  __device__ __forceinline__ void write_pair(
      const MutableTokenView& view, int token, const float2& values) const {
    T* at =
        scan_sample<T>(view, block_.batch) + channel_ + token * static_cast<int>(view.token_stride);
    if (Form::kIsPlain || (has_second_ && plan_.has_pairs)) {
      const float pair[2] = {values.x, values.y};
      store_pack<2>(pair, at);
      return;
    }
    at[0] = from_float<T>(values.x);
    if (has_second_) at[1] = from_float<T>(values.y);
  }

  const ScanBackwardParams& params_;
  const ScanBackwardPlan& plan_;
  const ScanBlock& block_;
  const ScanDirection& in_;
  int64_t channel_;
  bool has_first_;
  bool has_second_;
  float bias_[2];
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
