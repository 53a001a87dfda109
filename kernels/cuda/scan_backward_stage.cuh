// How a warp of the scan's backward brings a tile of tokens from device memory into shared memory
// and its gradients back:
// fetch() starts the copies of a tile as it lies in memory, stage() converts what arrived,
// write_gradients() carries the results out.
#pragma once

#include <cstdint>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_backward_plan.cuh"
#include "kernels/cuda/scan_math.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// Where the warp's channels (or states) of a tensor lie, by step of the walk through the segment.
/// Kept in shared memory, because registers for all of them would be spilled.
struct alignas(16) StepRows {
  const void* origin;  // of step 0
  int stride;          // elements from step to step

  /// Steps may lie beyond the segment. Offsets within a sample are 32 bits wide.
  template <typename T>
  __device__ __forceinline__ const T* at(int step, int column) const {
    return static_cast<const T*>(origin) + (step * stride + column);
  }
};

/// The tensors whose tiles a walk moves.
enum StepTensor { kU, kDelta, kB, kC, kDout, kZ, kDu, kDdelta, kNumStepTensors };

/// A lane's part of an octet between two tiles.
struct OctetState {
  float4 A[kWarpSize];  // times log2(e)
  float4 dA[kWarpSize];
  float4 carried[kWarpSize];  // gradient of the state, decayed, from the step after
  float2 sums[kWarpSize];     // of dD and ddelta_bias, over the tokens that the lane finishes
};

/// Sums over a lane's states for each token of a tile: g B, and A g exp(dt A) h. A channel's row is
/// kSumRow floats long and those of the next four states follow kSumGroup later, so that lanes meet
/// different banks.
constexpr int kSumRow = 2 * kTileTokens + 4;
constexpr int kSumGroup = kOctetChannels * kSumRow + 16;

/// The warp's shared memory.
template <typename Form>
struct ScanBackwardShared {
  using T = typename Form::Storage;

  static constexpr int kRow = Form::kChannels + 4;  // so that tokens lie in different banks

  union {
    float2 there[kTileTokens][kRow];      // dt, dt u of a token and channel
    float4 fragments[2 * kTilePartials];  // of dB and dC, after the walks through a tile
  };
  alignas(16) float2 back[kTileTokens][kRow];  // dt, dy (the gradient of the ungated sum)
  alignas(16) float u[kTileTokens][kRow];
  float4 entering[Form::kOctets][kWarpSize];  // each lane's states as they enter the tile
  float bc[kTileTokens][2][kGroupStates];
  OctetState octets[Form::kOctets];
  StepRows rows[kNumStepTensors];
  alignas(16) float sums[Form::kWalked][kLaneStates * kSumGroup];
  alignas(16) float D[Form::kChannels];
  alignas(16) float bias[Form::kChannels];
  // As in device memory.
  alignas(16) T raw_u[kTileTokens][Form::kChannels];
  alignas(16) T delta[kTileTokens][Form::kChannels];
  alignas(16) T dout[kTileTokens][Form::kChannels];
  alignas(16) T z[kTileTokens][Form::kChannels];
  alignas(16) T raw_B[kTileTokens][kGroupStates];
  alignas(16) T raw_C[kTileTokens][kGroupStates];
  alignas(16) T du[kTileTokens][Form::kChannels];
  alignas(16) T ddelta[kTileTokens][Form::kChannels];

  /// Where in a row of `there` or `back` a channel lies: pairs of neighbours change places so that
  /// lanes that write a row two channels at a time meet different banks.
  __device__ static int slot(int channel) { return channel ^ (channel >> 4 & 1) << 1; }
};

template <typename Form>
__device__ __forceinline__ ScanBackwardShared<Form>& backward_shared() {
  return *block_shared<ScanBackwardShared<Form>>();
}

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x); }

/// Moves tiles of a segment.
template <typename Form>
class ScanTileMover {
  using T = typename Form::Storage;

 public:
  __device__ ScanTileMover(const ScanBackwardParams& params, const ScanBlock& block)
      : params_(params), block_(block), num_tokens_(block.num_tokens()) {
    const ScanDirection& in = params.forward.direction[block.direction];
    const ScanDirectionGrads& grads = params.grads[block.direction];
    const int64_t first_state =
        block.tile.group * params.forward.d_state + block.state_group * kGroupStates;
    locate(kU, in.u, block.tile.first);
    locate(kDelta, in.delta, block.tile.first);
    locate(kB, in.B, first_state);
    locate(kC, in.C, first_state);
    locate(kDout, params.dout, block.tile.first);
    locate(kZ, params.forward.z, block.tile.first);
    locate(kDu, grads.du, block.tile.first);
    locate(kDdelta, grads.ddelta, block.tile.first);
    __syncwarp();
  }

  /// Brings u, delta, B and C, for_gradients dout and z too. No lane may still read the tile
  /// before.
  __device__ __forceinline__ void fetch(int tile, bool for_gradients) const {
    auto& shared = backward_shared<Form>();
    const bool has_column = lane_index() % (Form::kChannels / kCopy) * kCopy < block_.num_channels;
    fetch_rows<kCopy>(kU, tile, has_column, shared.raw_u);
    fetch_rows<kCopy>(kDelta, tile, has_column, shared.delta);
    fetch_rows<kBcCopy>(kB, tile, has_state(), shared.raw_B);
    if (for_gradients) {
      fetch_rows<kBcCopy>(kC, tile, has_state(), shared.raw_C);
      fetch_rows<kCopy>(kDout, tile, has_column, shared.dout);
      if (has_gate()) fetch_rows<kCopy>(kZ, tile, has_column, shared.z);
    }
  }

  /// Converts the tile fetched last. On return all lanes see it, and another may be fetched.
  __device__ __forceinline__ void stage(int tile, bool for_gradients) const {
    auto& shared = backward_shared<Form>();
    wait_for_copies();
    __syncwarp();
    constexpr int kCount = Form::kLaneChannels;
    // A factor, because a choice would become a branch around each softplus.
    const float exists = tile * kTileTokens + row() < num_tokens_ ? 1.0F : 0.0F;
    float u[kCount], dt[kCount], bias[kCount];
    float dy[kCount];
    load_pack<kCount>(&shared.raw_u[row()][first()], u);
    load_pack<kCount>(&shared.delta[row()][first()], dt);
    load_pack<kCount>(&shared.bias[first()], bias);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float raw = dt[i] + bias[i];
      const bool has_softplus = Form::kIsPlain || params_.forward.delta_softplus;
      dt[i] = exists * (has_softplus ? scan_softplus<T>(raw) : raw);
    }
    if (for_gradients) {
      output_gradient(dy);
      store_pairs(dt, dy, shared.back[row()]);
      store_pack<kCount>(u, &shared.u[row()][first()]);
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) u[i] *= dt[i];
    store_pairs(dt, u, shared.there[row()]);
    constexpr int kStates = kGroupStates / 4;
    float states[kStates];
    const int state = lane_index() % 4 * kStates;
    load_pack<kStates>(&shared.raw_B[row()][state], states);
    store_pack<kStates>(states, &shared.bc[row()][0][state]);
    if (for_gradients) {
      load_pack<kStates>(&shared.raw_C[row()][state], states);
      store_pack<kStates>(states, &shared.bc[row()][1][state]);
    }
    __syncwarp();
  }

  /// Writes du and ddelta, which the lanes left in shared memory.
  __device__ __forceinline__ void write_gradients(int tile) const {
    const auto& shared = backward_shared<Form>();
    if (tile * kTileTokens + row() < num_tokens_) {
      write_row(kDu, tile, &shared.du[row()][first()]);
      write_row(kDdelta, tile, &shared.ddelta[row()][first()]);
    }
  }

 private:
  // A lane's place in stage() and write_gradients(): kLaneChannels channels of one token.
  __device__ static int row() { return lane_index() / 4; }
  __device__ static int first() { return lane_index() % 4 * Form::kLaneChannels; }
  static_assert(kTileTokens * 4 == kWarpSize, "four lanes bring in a token");

  __device__ bool has_gate() const { return Form::kIsPlain || params_.forward.z.data != nullptr; }

  // The gradient of the ungated sum of this lane's channels.
  __device__ __forceinline__ void output_gradient(float (&dy)[Form::kLaneChannels]) const {
    constexpr int kCount = Form::kLaneChannels;
    const auto& shared = backward_shared<Form>();
    float z[kCount];
    load_pack<kCount>(&shared.dout[row()][first()], dy);
    if (has_gate()) load_pack<kCount>(&shared.z[row()][first()], z);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      dy[i] *= params_.forward.scale;
      dy[i] *= has_gate() ? z[i] * scan_sigmoid<T>(z[i]) : 1.0F;
    }
  }

  // Elements of a copy of channels, and of one of states.
  static constexpr int kCopy = Form::kIsPlain ? 16 / sizeof(T) : 1;
  static constexpr int kBcCopy = Form::kIsPlain ? 4 : 1;

  __device__ bool has_state() const {
    const int64_t state = block_.state_group * kGroupStates + lane_index() % kGroupStates;
    return Form::kIsPlain || state < params_.forward.d_state;
  }
  template <typename View>
  __device__ void locate(StepTensor tensor, const View& view, int64_t column) {
    if (lane_index() != static_cast<int>(tensor)) {
      return;
    }
    StepRows& rows = backward_shared<Form>().rows[tensor];
    rows.origin = scan_sample<T>(view, block_.batch) + block_.token(0) * view.token_stride + column;
    rows.stride = static_cast<int>(block_.reversed ? -view.token_stride : view.token_stride);
  }

  // This lane's copies, of kSize each, of a tile.
  template <int kSize, int kWidth>
  __device__ __forceinline__ void fetch_rows(
      StepTensor tensor, int tile, bool has_column, T (&to)[kTileTokens][kWidth]) const {
    constexpr int kRowLanes = kWidth / kSize;
    constexpr int kRows = kWarpSize / kRowLanes;  // that the warp brings in at once
    const StepRows from = backward_shared<Form>().rows[tensor];
    const int column = lane_index() % kRowLanes * kSize;
#pragma unroll
    for (int begin = 0; begin < kTileTokens; begin += kRows) {
      const int row = begin + lane_index() / kRowLanes;
      if (kRows > kTileTokens && row >= kTileTokens) {
        return;
      }
      const int step = tile * kTileTokens + row;
      const bool exists = step < num_tokens_ && has_column;
      const T* at = from.at<T>(step, column);
      if constexpr (Form::kIsPlain) {
        copy_async<kSize * sizeof(T)>(&to[row][column], at, exists);
      } else {
        to[row][column] = exists ? *at : T{};
      }
    }
  }

  // (first, second) of each of this lane's channels.
  __device__ __forceinline__ static void store_pairs(
      const float (&x)[Form::kLaneChannels], const float (&y)[Form::kLaneChannels], float2* row) {
#pragma unroll
    for (int i = 0; i < Form::kLaneChannels; i += 2) {
      *reinterpret_cast<float4*>(&row[ScanBackwardShared<Form>::slot(first() + i)]) =
          make_float4(x[i], y[i], x[i + 1], y[i + 1]);
    }
  }

  __device__ __forceinline__ void write_row(StepTensor tensor, int tile, const T* from) const {
    const StepRows rows = backward_shared<Form>().rows[tensor];
    T* to = const_cast<T*>(rows.at<T>(tile * kTileTokens + row(), first()));
    if constexpr (Form::kIsPlain) {
      if (first() < block_.num_channels) {
        using Row = Pack<T, Form::kLaneChannels>;
        *reinterpret_cast<Row*>(to) = *reinterpret_cast<const Row*>(from);
      }
    } else {
      for (int i = 0; i < Form::kLaneChannels; ++i) {
        if (first() + i < block_.num_channels) to[i] = from[i];
      }
    }
  }

  const ScanBackwardParams& params_;
  const ScanBlock& block_;
  const int num_tokens_;
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
