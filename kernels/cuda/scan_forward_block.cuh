// The forward of the selective scan for few rows of a short sequence, in the model's own case
// (ScanForm::kIsPlain): a block holds a tile of channels of one sample whole, in both directions,
// and cuts the sequence into as many pieces as it has warps for a direction. Each piece is walked
// from a state of 0, then the warps add up what came before theirs, as scan_chunks.cuh does between
// launches, and walk their piece once more. Inputs are read once.
#pragma once

#include <cstdint>

#include "kernels/cuda/scan_forward.cuh"
#include "kernels/cuda/scan_projection.cuh"
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

/// A warp of a block: its direction's walk, of which it takes one piece. kRankSteps: of the product
/// that makes delta; 0: delta is given.
template <typename Form, int kRankSteps>
class ForwardBlockWalk {
  using T = typename Form::Storage;
  using Shared = ForwardBlockShared<Form>;
  using Piece = typename Shared::Piece;
  static constexpr int kChannels = Form::kChannels;
  // Tokens whose sums over the lanes of a channel are made at once.
  static constexpr int kGroup = 4;
  static constexpr int kLanes = Form::kChannelLanes;
  static_assert(kChannels <= 8 && kChannels * sizeof(T) <= 16, "a product, an access");
  static_assert(kLanes % kGroup == 0 && kPieceSteps % kGroup == 0, "a token for each lane");

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
    const float* D = params.direction[warp.direction].D;
    D_ = D != nullptr && lane_.is_inside ? D[warp.first_channel + lane_.channel] : 0.0F;
  }

  /// Reads the piece and makes dt.
  __device__ __forceinline__ void stage() {
    const ScanDirection& in = params_.direction[warp_.direction];
    const int64_t first_state = warp_.group * Form::kPadded;
    copy<kChannels>(in.u, warp_.first_channel, warp_.num_channels, piece().u);
    copy<4>(in.B, first_state, Form::kPadded, piece().B);
    copy<4>(in.C, first_state, Form::kPadded, piece().C);
    if (has_token() && params_.out.data != nullptr) {
      z_ = *reinterpret_cast<const Pack<T, kChannels>*>(own(params_.z));
    }
    if constexpr (kRankSteps == 0) {
      take_delta(in);
    } else {
      project_delta(in);
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
    auto& sums = shared().sums[warp_.direction];
    const int own = thread_ / kChannels % kGroup;  // of a group, the token whose sum the lane gets
#pragma unroll 1
    for (int first = 0; first < count_; first += kGroup) {
      float parts[kGroup];
#pragma unroll
      for (int i = 0; i < kGroup; ++i) parts[i] = walk_step(first + i);
      const float y = sum_own(parts);
      if (first + own < count_ && thread_ / kChannels < kGroup) {
        const float u = to_float(piece().u[first + own][lane_.channel]);
        sums[warp_.token(begin_ + first + own)][lane_.channel] = fmaf(D_, u, y);
      }
    }
    if (count_ > 0 && begin_ + count_ == warp_.num_tokens()) {
      lane_.leave(params_, warp_, whole_);
    }
  }

  /// This thread's share of the sums over directions and the output, once every walk has ended.
  __device__ __forceinline__ void write() const {
    if (!has_token()) {
      return;
    }
    float y[kChannels];
    load_pack<kChannels>(shared().sums[0][threadIdx.x], y);
    if (params_.num_directions == 2) {
      float other[kChannels];
      load_pack<kChannels>(shared().sums[1][threadIdx.x], other);
#pragma unroll
      for (int i = 0; i < kChannels; ++i) y[i] += other[i];
    }
    if (params_.y.data != nullptr) store_pack<kChannels>(y, own(params_.y));
    if (params_.out.data != nullptr) {
      float z[kChannels];
      load_pack<kChannels>(z_.data, z);
#pragma unroll
      for (int i = 0; i < kChannels; ++i) y[i] *= params_.scale * (z[i] * scan_sigmoid<T>(z[i]));
      store_pack<kChannels>(y, own(params_.out));
    }
  }

 private:
  __device__ static Shared& shared() { return *block_shared<Shared>(); }
  __device__ Piece& piece() const { return shared().pieces[warp_.direction][place_]; }

  // Whether there is a token that this thread writes: the block's threads are as many as tokens.
  __device__ bool has_token() const { return static_cast<int>(threadIdx.x) < warp_.num_tokens(); }

  // The tile's channels of that token.
  template <typename View>
  __device__ T* own(const View& view) const {
    const int64_t offset = threadIdx.x * view.token_stride + warp_.first_channel;
    return const_cast<T*>(scan_sample<T>(view, warp_.batch)) + offset;
  }

  template <int kPack, typename View, int kWidth>
  __device__ __forceinline__ void copy(
      const View& view, int64_t column, int columns, T (&to)[kPieceSteps][kWidth]) const {
    copy_rows<kPack, true>(walk_rows<T>(view, warp_, column), begin_, begin_ + count_, columns, to);
  }

  __device__ __forceinline__ float bias_of(const ScanDirection& in, int channel) const {
    return channel < warp_.num_channels ? in.delta_bias[warp_.first_channel + channel] : 0.0F;
  }

  // Makes dt of the piece from delta as it lies in memory.
  __device__ __forceinline__ void take_delta(const ScanDirection& in) const {
    constexpr int kRows = kWarpSize / kChannels;  // that the warp takes at once
    const int row = thread_ / kChannels;
    const int channel = thread_ % kChannels;
    const bool exists = channel < warp_.num_channels;
    const float bias = bias_of(in, channel);
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
  }

  // The same from delta's factors, which the lanes read as the tensor cores take them.
  __device__ __forceinline__ void project_delta(const ScanDirection& in) const {
    using Projection = DtProjection<T, kRankSteps, kChannels>;
    const int rank = static_cast<int>(params_.dt_rank);
    const T* weight = static_cast<const T*>(in.dt_weight);
    Projection projection;
    projection.load(weight + warp_.first_channel * rank, warp_.num_channels, rank);
    const StepRows<T*> factors = walk_rows<T>(in.dt_input, warp_, 0);
    const int channel = 2 * Projection::member();
    const float bias[2] = {bias_of(in, channel), bias_of(in, channel + 1)};
#pragma unroll
    for (int first = 0; first < kPieceSteps; first += Projection::kTokens) {
      typename Projection::Sums sums = {};
      const auto pair_at = [&](int row, int column) {
        const bool exists = first + row < count_ && column < rank;
        return exists ? Projection::pair(*factors.at(begin_ + first + row, column)) : 0;
      };
      projection.multiply(pair_at, sums);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (channel < kChannels) {
          const float delta = to_float(from_float<T>(sums[0][i]));
          const int row = first + Projection::group() + i / 2 * 8;
          piece().dt[row][channel + i % 2] = scan_softplus<T>(delta + bias[i % 2]);
        }
      }
    }
  }

  // One step of the lane's states; returns its share of sum_n C h. A step behind the piece's end
  // leaves the states as they are.
  __device__ __forceinline__ float walk_step(int step) {
    const float dt = step < count_ ? piece().dt[step][lane_.channel] : 0.0F;
    const float u = to_float(piece().u[step][lane_.channel]);
    const T* B = &piece().B[step][lane_.first_state];
    return advance(lane_, dt, dt * u, B, &piece().C[step][lane_.first_state]);
  }

  // The sum over the lanes of a channel of what they have of the lane's own token of a group.
  __device__ __forceinline__ float sum_own(float (&parts)[kGroup]) const {
#pragma unroll
    for (int half = kGroup / 2; half > 0; half /= 2) {
      const int offset = half * kChannels;
      const bool is_upper = (thread_ & offset) != 0;
#pragma unroll
      for (int i = 0; i < half; ++i) {
        const float given = is_upper ? parts[i] : parts[i + half];
        const float kept = is_upper ? parts[i + half] : parts[i];
        parts[i] = kept + __shfl_xor_sync(kFullWarp, given, offset);
      }
    }
    float sum = parts[0];
#pragma unroll
    for (int offset = kGroup * kChannels; offset < kWarpSize; offset *= 2) {
      sum += __shfl_xor_sync(kFullWarp, sum, offset);
    }
    return sum;
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

  const ScanParams& params_;
  const ScanWarp& warp_;
  const ScanSplit& whole_;  // not cut
  int place_;               // of the warp's piece in its direction's walk
  int thread_;
  int begin_;  // steps
  int count_;
  ScanLane<Form> lane_;
  float D_;
  Pack<T, kChannels> z_;  // of the token that this thread writes
};

/// Blocks are (batch, channel tile), the tile fastest. seqlen at most kBlockTokens.
template <typename Form, int kRankSteps>
__global__ void __launch_bounds__(kMaxDirections* kBlockWarps* kWarpSize)
    scan_forward_block_kernel(ScanParams params, ScanSplit whole) {
  static_assert(Form::kIsPlain, "the model's own case");
  const int place = static_cast<int>(threadIdx.x) / kWarpSize % kBlockWarps;
  const int direction = static_cast<int>(threadIdx.x) / kWarpSize / kBlockWarps;
  const ScanWarp warp =
      locate_walk<uint32_t>(params, whole, Form::kChannels, blockIdx.x, direction);
  ForwardBlockWalk<Form, kRankSteps> walk(params, warp, whole, place);
  walk.stage();
  walk.walk_states();
  __syncthreads();
  walk.walk();
  __syncthreads();
  walk.write();
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
