// The part of dout that the convolution's backward makes itself: left right, a few columns of the
// small projection's gradient times its weight, by the tensor cores. As a product of its own it
// would read and write every direction's dout once more.
//
// A warp takes tiles of eight tokens. Transposed, (channels, depth) by (depth, tokens), a lane gets
// pairs of tokens; through shared memory they come to the lane whose channels they are.
#pragma once

#include <cstdint>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/causal_conv1d_window.cuh"
#include "kernels/cuda/matrix.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Columns of `left` that one product takes.
inline constexpr int kConvDepthStep = 16;

/// kDepthSteps * kConvDepthStep columns, absent ones 0; two channels a lane, all of which exist. T
/// is a 16-bit storage type.
template <typename T, int kDepthSteps, int kDirections>
class ConvProducts {
  static constexpr int kDepth = kDepthSteps * kConvDepthStep;
  static constexpr int kChannels = 2 * kWarpSize;
  static constexpr int kTokens = 8;
  static constexpr int kCopy = 8;  // elements that are moved at once
  static constexpr int kPad = 8;   // rows on different banks

  struct Warp {
    alignas(16) T left[kDirections][kTokens][kDepth + kPad];
    alignas(16) float product[kDirections][kChannels * kTokens];  // see place_of
  };

  struct Shared {
    alignas(16) T right[kDirections][kDepth][kChannels + kPad];
    Warp warps[kConvWarps];
  };

 public:
  static constexpr size_t kSharedBytes = sizeof(Shared);

  /// All threads of the block call it, whether they have work or not. The first tile begins a step
  /// before the walk, so that its second half begins with the chunk.
  __device__ ConvProducts(const ConvBackwardParams& params, const ConvPlace& place)
      : shared_(*block_shared<Shared>()),
        warp_(shared_.warps[threadIdx.x / kWarpSize]),
        lane_(static_cast<int>(threadIdx.x) % kWarpSize),
        depth_(static_cast<int>(params.depth)),
        seqlen_(static_cast<unsigned>(params.forward.seqlen)),
        step_(place.begin - kTokens / 2),
        end_(place.end) {
    copy_right(params, place.channel - 2 * lane_);
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
      const TokenView& left = params.left[i];
      lead_[i] = params.forward.direction[i].reversed ? 0 : params.forward.width - 1;
      stride_[i] = static_cast<int>(left.token_stride);
      left_[i] = static_cast<const T*>(left.data) + place.batch * left.batch_stride +
                 (step_ + lead_[i] + row()) * left.token_stride + column();
    }
    wait_for_copies();
    __syncthreads();
    if (place.has_work()) copy_left();
  }

  /// Makes the next eight tokens' products, the first time those of the first tile.
  __device__ __forceinline__ void advance() {
    wait_for_copies();
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kDirections; ++i) multiply(i);
    __syncwarp();
    copy_left();
  }

  /// Adds the products of the last kSteps steps of a half of the tile.
  template <int kSteps>
  __device__ __forceinline__ void add(int direction, int half, float (*rows)[2]) const {
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      constexpr int kHalf = kTokens / 2;
      const int place = place_of(2 * lane_ + c, half * kHalf);
      const auto tokens =
          *reinterpret_cast<const Pack<float, kHalf>*>(warp_.product[direction] + place);
#pragma unroll
      for (int r = 0; r < kSteps; ++r) rows[r][c] += tokens.data[kHalf - kSteps + r];
    }
  }

 private:
  // Where a token of a channel lies: four tokens together, shifted so that neither the writes of
  // pairs nor the reads of fours meet on a bank. 16 channels on it is 16 kTokens more.
  __device__ static int place_of(int channel, int token) {
    const int pair = channel / 2;
    const int four = channel % 2 * 2 + token / 4;
    return pair * 2 * kTokens + (four ^ (pair / 2 % 4)) * 4 + token % 4;
  }

  __device__ int row() const { return lane_ / 4; }
  __device__ int column() const { return lane_ % 4 * kCopy; }

  // All rows, as many at once as the block has threads for.
  __device__ void copy_right(const ConvBackwardParams& params, int first_channel) {
    constexpr int kCopies = kChannels / kCopy;  // of a row
    constexpr int kRows = kConvThreads / kCopies;
    static_assert(kDepth % kRows == 0, "every thread copies equally often");
    const int first = static_cast<int>(threadIdx.x) / kCopies;
    const int channel = static_cast<int>(threadIdx.x) % kCopies * kCopy;
    const int64_t row_stride = params.forward.channels;
#pragma unroll
    for (int i = 0; i < kDirections; ++i) {
      const T* from =
          static_cast<const T*>(params.right[i]) + first_channel + channel + first * row_stride;
#pragma unroll
      for (int k = 0; k < kDepth; k += kRows) {
        copy_async<16>(&shared_.right[i][first + k][channel], from, first + k < depth_);
        from += kRows * row_stride;
      }
    }
  }

  // Starts to bring the next tile's rows; none behind the walk.
  __device__ __forceinline__ void copy_left() {
    if (step_ < end_) {
#pragma unroll
      for (int i = 0; i < kDirections; ++i) copy_left_of(i);
    }
    step_ += kTokens;
  }

  __device__ __forceinline__ void copy_left_of(int i) {
    const bool exists = static_cast<unsigned>(step_ + lead_[i] + row()) < seqlen_;
#pragma unroll
    for (int first = 0; first < kDepth; first += 4 * kCopy) {
      const int k = first + column();
      if (first + 4 * kCopy <= kDepth || k < kDepth) {
        copy_async<16>(&warp_.left[i][row()][k], left_[i] + first, exists && k < depth_);
      }
    }
    left_[i] += kTokens * static_cast<int64_t>(stride_[i]);
  }

  __device__ __forceinline__ void multiply(int direction) {
    constexpr int kRows = 16;      // channels of a product
    const int matrix = lane_ / 8;  // this lane gives a row of it to each load
    const int matrix_row = lane_ % 8;
    uint32_t tokens[kDepthSteps + 1][2];
#pragma unroll
    for (int step = 0; step < kDepthSteps; step += 2) {
      const int k = min(step * kConvDepthStep + 8 * matrix, kDepth - 8);
      uint32_t two[4];
      load_matrices(&warp_.left[direction][matrix_row][k], two);
      tokens[step][0] = two[0];
      tokens[step][1] = two[1];
      tokens[step + 1][0] = two[2];
      tokens[step + 1][1] = two[3];
    }
    const T(*right)[kChannels + kPad] = shared_.right[direction] + matrix / 2 * 8 + matrix_row;
    float* first_half = warp_.product[direction] + place_of(lane_ / 4, lane_ % 4 * 2);
    float* second_half = warp_.product[direction] + place_of(lane_ / 4 + 8, lane_ % 4 * 2);
#pragma unroll 2  // four at once wait no less and take the registers of the walk
    for (int first = 0; first < kChannels; first += kRows) {
      float sums[4] = {};
#pragma unroll
      for (int step = 0; step < kDepthSteps; ++step) {
        uint32_t channels[4];
        load_transposed(&right[step * kConvDepthStep][first + matrix % 2 * 8], channels);
        mma_16x8x16<T>(sums, channels, tokens[step]);
      }
      store_pair(sums[0], sums[1], first_half + first * kTokens);
      store_pair(sums[2], sums[3], second_half + first * kTokens);
    }
  }

  __device__ static void store_pair(float first, float second, float* to) {
    *reinterpret_cast<float2*>(to) = {first, second};
  }

  Shared& shared_;
  Warp& warp_;
  int lane_;
  int depth_;
  unsigned seqlen_;
  int step_;  // of the next tile's first row
  int end_;
  const T* left_[kDirections];  // this lane's row and column of the next tile
  int stride_[kDirections];
  int lead_[kDirections];
};

/// Where dout is whole.
template <typename T, int kDirections>
class ConvProducts<T, 0, kDirections> {
 public:
  static constexpr size_t kSharedBytes = 0;

  __device__ ConvProducts(const ConvBackwardParams& /*params*/, const ConvPlace& /*place*/) {}
  __device__ __forceinline__ void advance() {}
  template <int kSteps, int kPack>
  __device__ __forceinline__ void add(
      int /*direction*/, int /*half*/, float (* /*rows*/)[kPack]) const {}
};

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
