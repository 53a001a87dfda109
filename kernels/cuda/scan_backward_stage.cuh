// How a warp of the scan's backward brings a tile of tokens from device memory to its lanes:
// fetch() starts the copies of a tile as it lies in memory, stage() converts what arrived.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_backward_plan.cuh"
#include "kernels/cuda/scan_math.cuh"
#include "kernels/cuda/scan_rows.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x); }

/// The tensors that a walk reads, and those that it writes.
enum StepInput { kU, kDelta, kB, kC, kDout, kZ, kY, kKept, kNumStepInputs };
enum StepOutput { kDu, kDdelta, kDz, kOut, kNumStepOutputs };

/// A tile as it lies in device memory. What the walk back makes of it takes places that are no
/// longer needed: du that of u, ddelta of delta, dz of z and the gated output of dout.
template <typename T>
struct RawTile {
  alignas(16) T u[kTileTokens][kTileChannels];
  alignas(16) T delta[kTileTokens][kTileChannels];
  alignas(16) T dout[kTileTokens][kTileChannels];
  alignas(16) T z[kTileTokens][kTileChannels];
  alignas(16) T y[kTileTokens][kTileChannels];
  alignas(16) T B[kTileTokens][kGroupStates];
  alignas(16) T C[kTileTokens][kGroupStates];
};

/// What a lane keeps of the four states of a pass between two tiles.
template <typename Entering>
struct PassState {
  float4 A[kWarpSize];  // times log2(e)
  float4 dA[kWarpSize];
  float4 carried[kWarpSize];  // gradient of the state, decayed, from the step after
  alignas(16) Entering entering[kWarpSize][kPassStates];  // the states as they enter the tile
};

/// Of the sums of quads of lanes in shared memory: padded so that halves of a tile lie in different
/// banks.
constexpr int kLotsRow = kWarpSize + 4;

/// The warp's shared memory.
template <typename Form>
struct ScanBackwardShared {
  using T = typename Form::Storage;

  RawTile<T> raw[2];  // of the tile being walked and of the next
  alignas(16) float bc[kTileTokens][2][kGroupStates];
  PassState<typename Form::Entering> passes[kPasses];
  float4 lots[2][kTileTokens / 4][kLotsRow];  // of dB and dC
  StepRows<const T*> inputs[kNumStepInputs];
  StepRows<T*> outputs[kNumStepOutputs];
};

template <typename Form>
__device__ __forceinline__ ScanBackwardShared<Form>& backward_shared() {
  return *block_shared<ScanBackwardShared<Form>>();
}

/// What a lane knows of its channel for a whole walk.
struct LaneChannel {
  float D;
  float bias;
  float dD = 0.0F;
  float dbias = 0.0F;
};

/// A tile's tokens of a lane's channel.
struct LaneTile {
  float dt[kTileTokens];
  float input[kTileTokens];  // dt u
  float dy[kTileTokens];     // gradient of the ungated sum
};

/// Moves tiles of a segment.
template <typename Form>
class ScanTileMover {
  using T = typename Form::Storage;

 public:
  /// gate_y: see ScanBackwardPlan; absent where the walk does not gate.
  __device__ ScanTileMover(
      const ScanBackwardParams& params, const ScanBlock& block, const TokenView& gate_y)
      : params_(params),
        block_(block),
        num_tokens_(block.num_tokens()),
        num_gated_(Form::kIsPlain && gate_y.data != nullptr ? block.num_gated(params.forward) : 0) {
    const ScanDirection& in = params.forward.direction[block.direction];
    const ScanDirectionGrads& grads = params.grads[block.direction];
    const int64_t first_state =
        block.tile.group * params.forward.d_state + block.state_group * kGroupStates;
    auto& shared = backward_shared<Form>();
    locate(0, in.u, block.tile.first, shared.inputs[kU]);
    locate(1, in.delta, block.tile.first, shared.inputs[kDelta]);
    locate(2, in.B, first_state, shared.inputs[kB]);
    locate(3, in.C, first_state, shared.inputs[kC]);
    locate(4, params.dout, block.tile.first, shared.inputs[kDout]);
    locate(5, params.forward.z, block.tile.first, shared.inputs[kZ]);
    locate(6, gate_y, block.tile.first, shared.inputs[kY]);
    locate(7, grads.du, block.tile.first, shared.outputs[kDu]);
    locate(8, grads.ddelta, block.tile.first, shared.outputs[kDdelta]);
    locate(9, params.dz, block.tile.first, shared.outputs[kDz]);
    locate(10, params.forward.out, block.tile.first, shared.outputs[kOut]);
    if (Form::kHasKept && lane_index() == 11) {
      const int64_t sample = block.sample(params.forward);
      shared.inputs[kKept] = kept_rows<const T>(params.forward, sample, block.tile.first);
    }
    __syncwarp();
  }

  /// Brings u, delta, B and C, for_gradients dout and z too. No lane may still read the tile that
  /// lies two before.
  __device__ __forceinline__ void fetch(int tile, bool for_gradients) const {
    RawTile<T>& raw = backward_shared<Form>().raw[tile % 2];
    fetch_channels(kU, tile, raw.u);
    fetch_channels(kDelta, tile, raw.delta);
    fetch_states(kB, tile, raw.B);
    if (for_gradients) {
      fetch_states(kC, tile, raw.C);
      fetch_channels(kDout, tile, raw.dout);
      if (has_gate()) fetch_channels(kZ, tile, raw.z);
      if (gates(tile)) fetch_channels(kY, tile, raw.y);
    }
  }

  /// Brings the lane's four states of a pass, as the forward kept them, into their place in
  /// PassState: those with which the walk enters tile `tile`; 0 for the first.
  __device__ __forceinline__ void fetch_kept(int tile, int pass) const {
    const auto& rows = backward_shared<Form>().inputs[kKept];
    const bool exists = tile > 0 && lane_index() < block_.num_channels;
    copy_async<kPassStates * sizeof(T)>(
        &backward_shared<Form>().passes[pass].entering[lane_index()],
        rows.at(kept_row(tile, pass), lane_index() * kPassStates),
        exists);
  }

  /// Converts the tile fetched last. On return all lanes see its B and C, and another may be
  /// fetched. Tokens and channels that do not exist have zeros and add nothing.
  __device__ __forceinline__ void stage(
      int tile, bool for_gradients, const LaneChannel& channel, LaneTile& items) const {
    wait_for_copies();
    __syncwarp();
    RawTile<T>& raw = backward_shared<Form>().raw[tile % 2];
    const bool has_softplus = Form::kIsPlain || params_.forward.delta_softplus;
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
      const float delta = to_float(raw.delta[i][lane_index()]) + channel.bias;
      items.dt[i] = has_softplus ? scan_softplus<T>(delta) : delta;
      items.input[i] = items.dt[i] * to_float(raw.u[i][lane_index()]);
      if (for_gradients) items.dy[i] = output_gradient(raw, i);
    }
    if (num_tokens_ < (tile + 1) * kTileTokens) {
#pragma unroll
      for (int i = 0; i < kTileTokens; ++i) {
        if (tile * kTileTokens + i >= num_tokens_) items.dt[i] = 0.0F;
      }
    }
    if (for_gradients && gates(tile)) gate(raw);
    stage_states(raw.B, 0);
    if (for_gradients) stage_states(raw.C, 1);
    __syncwarp();
  }

  /// Carries out what stage() gated of a tile.
  __device__ __forceinline__ void write_gated(int tile) const {
    if (!gates(tile)) {
      return;
    }
    const auto& shared = backward_shared<Form>();
    const RawTile<T>& raw = shared.raw[tile % 2];
    const int first = tile * kTileTokens;
    if (params_.dz.data != nullptr) {
      write_rows<kCopy>(raw.z, shared.outputs[kDz], first, num_gated_, block_.num_channels);
    }
    if (params_.forward.out.data != nullptr) {
      write_rows<kCopy>(raw.dout, shared.outputs[kOut], first, num_gated_, block_.num_channels);
    }
  }

  /// Carries du and ddelta of a tile out, when all lanes have left theirs.
  __device__ __forceinline__ void write(int tile) const {
    const auto& shared = backward_shared<Form>();
    const RawTile<T>& raw = shared.raw[tile % 2];
    const int first = tile * kTileTokens;
    write_rows<kCopy>(raw.u, shared.outputs[kDu], first, num_tokens_, block_.num_channels);
    write_rows<kCopy>(raw.delta, shared.outputs[kDdelta], first, num_tokens_, block_.num_channels);
  }

 private:
  __device__ bool has_gate() const { return Form::kIsPlain || params_.forward.z.data != nullptr; }

  __device__ bool gates(int tile) const { return tile * kTileTokens < num_gated_; }

  // Of the lane's channel; as scan_gate_kernel does it.
  __device__ __forceinline__ void gate(RawTile<T>& raw) const {
#pragma unroll
    for (int i = 0; i < kTileTokens; ++i) {
      T& z = raw.z[i][lane_index()];
      T& dout = raw.dout[i][lane_index()];
      const Gated gated = scan_gate<T>(
          to_float(z), to_float(raw.y[i][lane_index()]), to_float(dout), params_.forward.scale);
      const float dz[1] = {gated.dz};
      const float out[1] = {gated.out};
      store_pack<1>(dz, &z);
      store_pack<1>(out, &dout);
    }
  }

  __device__ __forceinline__ float output_gradient(const RawTile<T>& raw, int i) const {
    const float dy = to_float(raw.dout[i][lane_index()]) * params_.forward.scale;
    if (!has_gate()) {
      return dy;
    }
    const float z = to_float(raw.z[i][lane_index()]);
    return dy * (z * scan_sigmoid<T>(z));
  }

  // B (which 0) or C (1) as floats; each lane takes four states of a token.
  __device__ __forceinline__ void stage_states(
      const T (&raw)[kTileTokens][kGroupStates], int which) const {
    static_assert(kTileTokens * kGroupStates == 4 * kWarpSize, "four states a lane");
    const int row = lane_index() / 4;
    const int state = lane_index() % 4 * 4;
    float values[4];
    load_pack<4>(&raw[row][state], values);
    store_pack<4>(values, &backward_shared<Form>().bc[row][which][state]);
  }

  template <typename View, typename Pointer>
  __device__ void locate(
      int lane, const View& view, int64_t column, StepRows<Pointer>& rows) const {
    if (lane_index() != lane) {
      return;
    }
    rows.origin = scan_sample<T>(view, block_.batch) + block_.token(0) * view.token_stride + column;
    rows.stride = static_cast<int>(block_.reversed ? -view.token_stride : view.token_stride);
  }

  // Elements of a copy of channels.
  static constexpr int kCopy = Form::kIsPlain ? 16 / sizeof(T) : 1;

  __device__ __forceinline__ void fetch_channels(
      StepInput tensor, int tile, T (&to)[kTileTokens][kTileChannels]) const {
    copy_rows<kCopy, Form::kIsPlain>(
        backward_shared<Form>().inputs[tensor],
        tile * kTileTokens,
        num_tokens_,
        block_.num_channels,
        to);
  }

  __device__ __forceinline__ void fetch_states(
      StepInput tensor, int tile, T (&to)[kTileTokens][kGroupStates]) const {
    const int64_t states = params_.forward.d_state - block_.state_group * kGroupStates;
    copy_rows<Form::kIsPlain ? 4 : 1, Form::kIsPlain>(
        backward_shared<Form>().inputs[tensor],
        tile * kTileTokens,
        num_tokens_,
        Form::kIsPlain ? kGroupStates : static_cast<int>(states),
        to);
  }

  const ScanBackwardParams& params_;
  const ScanBlock& block_;
  const int num_tokens_;
  const int num_gated_;
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
