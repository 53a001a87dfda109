// The forward of the selective scan for few rows of a short sequence, in the model's own case
// (ScanForm::kIsPlain): a block holds a tile of channels of one sample whole, in both directions,
// and cuts the sequence into as many pieces as it has warps for a direction. Each piece is walked
// from a state of 0, then the warps add up what came before theirs, as scan_chunks.cuh does between
// launches, and walk their piece once more. Inputs are read once.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_rows.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kBlockWarps = 8;   // of a direction
constexpr int kPieceSteps = 32;  // that a warp can hold
constexpr int kBlockTokens = kBlockWarps * kPieceSteps;
constexpr size_t kMostBlockShared = 99 * 1024;  // what a block can have wherever the kernels run

/// A block's shared memory.
template <typename Form>
struct ForwardBlockShared {
  using T = typename Form::Storage;
  static constexpr int kChannels = Form::kChannels;
  static constexpr int kStates = Form::kPadded;

  /// What one warp walks, and what it makes of a state of 0.
  struct Piece {
    alignas(16) T u[kPieceSteps][kChannels];
    alignas(16) T B[kPieceSteps][kStates];
    alignas(16) T C[kPieceSteps][kStates];
    alignas(16) float dt[kPieceSteps][kChannels];
    alignas(16) float left[kWarpSize][Form::kLaneStates];
    float sum_dt[kWarpSize];
  };

  Piece pieces[kMaxDirections][kBlockWarps];
  alignas(16) float sums[kMaxDirections][kBlockTokens][kChannels];  // by token, of C h and D u
};

/// A warp of a block: its direction's walk, of which it takes one piece.
template <typename Form>
class ForwardBlockWalk {
  using T = typename Form::Storage;
  using Shared = ForwardBlockShared<Form>;
  using Piece = typename Shared::Piece;
  static constexpr int kChannels = Form::kChannels;
  static constexpr int kCopy = 16 / sizeof(T) < kChannels ? 16 / sizeof(T) : kChannels;

 public:
  __device__ ForwardBlockWalk(
      const ScanParams& params, const ScanWarp& warp, const ScanSplit& whole, int place)
      : params_(params),
        warp_(warp),
        whole_(whole),
        place_(place),
        thread_(static_cast<int>(threadIdx.x) % kWarpSize),
        lane_(params, warp) {
    const int num_tokens = warp.num_tokens();
    const int steps = (num_tokens + kBlockWarps - 1) / kBlockWarps;
    begin_ = min(place * steps, num_tokens);
    count_ = min(steps, num_tokens - begin_);
  }

  /// Reads the piece and makes dt.
  __device__ __forceinline__ void stage() {
    const ScanDirection& in = params_.direction[warp_.direction];
    const int64_t first_state = warp_.group * Form::kPadded;
    copy<kCopy>(in.u, warp_.first_channel, warp_.num_channels, piece().u);
    copy<4>(in.B, first_state, Form::kPadded, piece().B);
    copy<4>(in.C, first_state, Form::kPadded, piece().C);
    constexpr int kRows = kWarpSize / kChannels;  // that the warp takes at once
    const int row = thread_ / kChannels;
    const int channel = thread_ % kChannels;
    const bool exists = channel < warp_.num_channels;
    const float bias = exists ? in.delta_bias[warp_.first_channel + channel] : 0.0F;
    const StepRows<T*> delta = walk_rows<T>(in.delta, warp_, warp_.first_channel);
    float dt[kPieceSteps / kRows];
#pragma unroll
    for (int i = 0; i < kPieceSteps / kRows; ++i) {
      const int step = row + i * kRows;
      const bool is_read = exists && step < count_;
      dt[i] = is_read ? to_float(*delta.at(begin_ + step, channel)) : 0.0F;
    }
#pragma unroll
    for (int i = 0; i < kPieceSteps / kRows; ++i) {
      piece().dt[row + i * kRows][channel] = scan_softplus<T>(dt[i] + bias);
    }
    wait_for_copies();
    __syncwarp();
  }

  /// Walks the piece from a state of 0 and leaves what it makes of it; others see it after a
  /// barrier of the block.
  __device__ __forceinline__ void walk_states() {
    float sum_dt = 0.0F;
#pragma unroll 4
    for (int i = 0; i < count_; ++i) {
      const float dt = piece().dt[i][lane_.channel];
      const float u = to_float(piece().u[i][lane_.channel]);
      sum_dt += dt;
      advance_states(lane_, dt, dt * u, &piece().B[i][lane_.first_state]);
    }
    store_pack<Form::kLaneStates>(lane_.h, piece().left[thread_]);
    piece().sum_dt[thread_] = sum_dt;
  }

  /// Takes the state that enters the piece from the pieces before it, and walks it for good.
  __device__ __forceinline__ void walk() {
    enter();
    const float* D_of = params_.direction[warp_.direction].D;
    const bool has_D = D_of != nullptr && lane_.is_inside && lane_.first_state == 0;
    const float D = has_D ? D_of[warp_.first_channel + lane_.channel] : 0.0F;
    auto& sums = shared().sums[warp_.direction];
#pragma unroll 4
    for (int i = 0; i < count_; ++i) {
      const float dt = piece().dt[i][lane_.channel];
      const float u = to_float(piece().u[i][lane_.channel]);
      const T* B = &piece().B[i][lane_.first_state];
      const T* C = &piece().C[i][lane_.first_state];
      const float y = sum_over_lanes<Form>(fmaf(D, u, advance(lane_, dt, dt * u, B, C)));
      if (lane_.first_state == 0) {
        sums[warp_.token(begin_ + i)][lane_.channel] = y;
      }
    }
    if (count_ > 0 && begin_ + count_ == warp_.num_tokens()) {
      lane_.leave(params_, warp_, whole_);
    }
  }

  /// This thread's share of the sums over directions and the output, once every walk has ended.
  __device__ __forceinline__ void write() const {
    constexpr int kPacks = kChannels / kCopy;
    for (int i = static_cast<int>(threadIdx.x); i < warp_.num_tokens() * kPacks; i += blockDim.x) {
      const int token = i / kPacks;
      const int column = i % kPacks * kCopy;
      if (column < warp_.num_channels) write_pack(token, column);
    }
  }

 private:
  __device__ static Shared& shared() { return *block_shared<Shared>(); }
  __device__ Piece& piece() const { return shared().pieces[warp_.direction][place_]; }

  template <typename View>
  __device__ T* at(const View& view, int64_t token, int64_t column) const {
    return const_cast<T*>(scan_sample<T>(view, warp_.batch)) + token * view.token_stride + column;
  }

  template <int kPack, typename View, int kWidth>
  __device__ __forceinline__ void copy(
      const View& view, int64_t column, int columns, T (&to)[kPieceSteps][kWidth]) const {
    copy_rows<kPack, true>(walk_rows<T>(view, warp_, column), begin_, begin_ + count_, columns, to);
  }

  __device__ __forceinline__ void enter() {
    constexpr int kStates = Form::kLaneStates;
#pragma unroll
    for (int n = 0; n < kStates; ++n) lane_.h[n] = 0.0F;
    for (int k = 0; k < place_; ++k) {
      const Piece& before = shared().pieces[warp_.direction][k];
      float left[kStates];
      load_pack<kStates>(before.left[thread_], left);
#pragma unroll
      for (int n = 0; n < kStates; ++n) {
        const float decay = fast_exp2(lane_.A[n] * before.sum_dt[thread_]);
        lane_.h[n] = fmaf(decay, lane_.h[n], left[n]);
      }
    }
  }

  __device__ __forceinline__ void write_pack(int token, int column) const {
    float y[kCopy];
    load_pack<kCopy>(&shared().sums[0][token][column], y);
    if (params_.num_directions == 2) {
      float other[kCopy];
      load_pack<kCopy>(&shared().sums[1][token][column], other);
#pragma unroll
      for (int i = 0; i < kCopy; ++i) y[i] += other[i];
    }
    const int64_t channel = warp_.first_channel + column;
    if (params_.y.data != nullptr) {
      store_pack<kCopy>(y, at(params_.y, token, channel));
    }
    if (params_.out.data != nullptr) {
      float z[kCopy];
      load_pack<kCopy>(at(params_.z, token, channel), z);
#pragma unroll
      for (int i = 0; i < kCopy; ++i) y[i] *= params_.scale * (z[i] * scan_sigmoid<T>(z[i]));
      store_pack<kCopy>(y, at(params_.out, token, channel));
    }
  }

  const ScanParams& params_;
  const ScanWarp& warp_;
  const ScanSplit& whole_;  // not cut
  int place_;               // of the warp's piece in its direction's walk
  int thread_;
  int begin_;  // steps
  int count_;
  ScanLane<Form> lane_;
};

/// Blocks are (batch, channel tile), the tile fastest. seqlen at most kBlockTokens.
template <typename Form>
__global__ void __launch_bounds__(kMaxDirections* kBlockWarps* kWarpSize)
    scan_forward_block_kernel(ScanParams params, ScanSplit whole) {
  static_assert(Form::kIsPlain, "the model's own case");
  const int place = static_cast<int>(threadIdx.x) / kWarpSize % kBlockWarps;
  const int direction = static_cast<int>(threadIdx.x) / kWarpSize / kBlockWarps;
  const ScanWarp warp = locate_walk(params, whole, Form::kChannels, blockIdx.x, direction);
  ForwardBlockWalk<Form> walk(params, warp, whole, place);
  walk.stage();
  walk.walk_states();
  __syncthreads();
  walk.walk();
  __syncthreads();
  walk.write();
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
