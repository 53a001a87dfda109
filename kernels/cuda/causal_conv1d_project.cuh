// The convolution's forward and the small projection of its output in one kernel: u of every
// direction, and p = u weight^T by the tensor cores while u lies in shared memory.
//
// A block serves one direction. Its two groups of threads each walk a chunk with all channels, four
// a thread, in rounds of eight steps. A round's rows, eight steps of group 0 and eight of group 1,
// pass through three stages, one barrier apart, so that the stages' instructions fill each other's
// waits:
//
//   round r      convolve; u goes to device memory and to shared memory
//   round r + 1  multiply: a warp takes 128 channels and half of the columns, and keeps that part
//                of the weight in registers all the way
//   round r + 2  add the warps' sums and store p
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/causal_conv1d_fwd.cuh"
#include "kernels/cuda/causal_conv1d_project.h"
#include "kernels/cuda/matrix.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kProjectTaps = 4;
inline constexpr int kProjectHalo = kProjectTaps - 1;
inline constexpr int kProjectPack = 4;    // channels of a thread
inline constexpr int kProjectGroups = 2;  // of threads in a block
inline constexpr int kProjectRows = kProjectGroups * kProjectSteps;
inline constexpr int kProjectSlice = 16;  // channels of one product
inline constexpr int kProjectSlices = kProjectPartChannels / kProjectSlice;  // of a warp

/// Elements from row to row in shared memory: an odd number of eights, so that neither eight rows
/// of 16 bytes nor four of 8 floats meet on a bank.
constexpr int project_pitch(int width) { return (width / 8 | 1) * 8; }

template <typename T_, int kParts_, int kColumns_>
struct ConvProjectForm {
  using T = T_;
  static constexpr int kParts = kParts_;  // of the channels, one for each warp of a group
  static constexpr int kColumns = kColumns_;
  static constexpr int kChannels = kParts * kProjectPartChannels;
  static constexpr int kGroupThreads = kParts * kWarpSize;
  static constexpr int kThreads = kProjectGroups * kGroupThreads;
  static constexpr int kMinBlocks = 384 / kThreads;
  static constexpr int kColumnTiles = (kColumns + 15) / 16;  // eights of columns, half of them
  static constexpr int kFours = kColumns / 4;
  static constexpr int kPitch = project_pitch(kChannels);
  static constexpr int kSumPitch = project_pitch(kColumns);
  static_assert(kProjectRows * kFours <= kThreads, "a thread adds at most one sum of four columns");

  struct Shared {
    alignas(16) T u[2][kProjectRows][kPitch];
    alignas(16) float sums[2][kParts][kProjectRows][kSumPitch];
    alignas(16) T weight[kColumns][kPitch];
  };
};

/// What a thread has in the block's work: a group's steps and its warp's part of the channels. The
/// group also says which half of the columns its warps multiply.
template <typename Form>
struct ConvProjectRole {
  int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  int group = static_cast<int>(threadIdx.x) / Form::kGroupThreads;
  int part = static_cast<int>(threadIdx.x) / kWarpSize - group * Form::kParts;

  __device__ int channel() const { return (part * kWarpSize + lane) * kProjectPack; }
};

/// The chunk that a group of the block walks.
__device__ __forceinline__ ConvPlace
project_place(const ConvParams& params, const ConvProjectGrid& grid, int group, int channel) {
  const unsigned walk =
      blockIdx.x / static_cast<unsigned>(params.num_directions) * kProjectGroups + group;
  const unsigned batch = walk / grid.num_chunks;
  ConvPlace place;
  place.batch = batch;
  place.channel = channel;
  place.begin = static_cast<int>(walk - batch * grid.num_chunks) * grid.chunk_steps - kProjectHalo;
  place.end = min(place.begin + grid.chunk_steps, static_cast<int>(params.seqlen));
  if (walk >= grid.num_walks) {
    place.batch = 0;
    place.end = place.begin;
  }
  return place;
}

/// A warp's part of the weight and its products.
template <typename Form>
class ConvProjectProduct {
  using T = typename Form::T;

 public:
  /// Starts to copy the weight into shared memory, of which all threads take a share.
  __device__ __forceinline__ static void start_weight(const void* projection) {
    constexpr int kCopies = Form::kChannels / 8;  // of a row
    auto& weight = block_shared<typename Form::Shared>()->weight;
    const T* from = static_cast<const T*>(projection);
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < Form::kColumns * kCopies; i += Form::kThreads) {
      copy_async<16>(&weight[i / kCopies][i % kCopies * 8], from + 8 * i, true);
    }
  }

  /// Takes the warp's part, once all threads' copies have arrived.
  __device__ __forceinline__ void load_weight(const ConvProjectRole<Form>& role) {
    const auto& weight = block_shared<typename Form::Shared>()->weight;
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) {
      const int column = (role.group * Form::kColumnTiles + j) * 8 + role.lane % 8;
      const T* row = weight[min(column, Form::kColumns - 1)];
      row += role.part * kProjectPartChannels + role.lane / 8 * 8;
#pragma unroll
      for (int s = 0; s < kProjectSlices; s += 2) {
        uint32_t two[4];
        load_matrices(row + s * kProjectSlice, two);
        weight_[s][j][0] = two[0];
        weight_[s][j][1] = two[1];
        weight_[s + 1][j][0] = two[2];
        weight_[s + 1][j][1] = two[3];
      }
    }
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) sums_[j][e] = 0.0F;
    }
  }

  /// Adds the products of slice s. rows: the lane's place in the part, as load_matrices wants it.
  __device__ __forceinline__ void add_slice(const T* rows, int s) {
    uint32_t a[4];
    load_matrices(rows + s * kProjectSlice, a);
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) mma_16x8x16<T>(sums_[j], a, weight_[s][j]);
  }

  /// to: the lane's row and first column of the part's sums.
  __device__ __forceinline__ void store(float* to, int half) const {
    constexpr int kTiles = Form::kColumns / 8 - Form::kColumnTiles;  // of the second half
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) {
      if (j >= kTiles && half == 1) break;
      *reinterpret_cast<float2*>(to + 8 * j) = make_float2(sums_[j][0], sums_[j][1]);
      *reinterpret_cast<float2*>(to + 8 * j + 8 * Form::kSumPitch) =
          make_float2(sums_[j][2], sums_[j][3]);
    }
  }

 private:
  uint32_t weight_[kProjectSlices][Form::kColumnTiles][2] = {};
  float sums_[Form::kColumnTiles][4];
};

/// Where a thread stores p: four columns of one step of every round of a group.
template <typename Form>
class ConvProjectStore {
  using T = typename Form::T;

 public:
  __device__ __forceinline__
  ConvProjectStore(const ConvParams& params, const ConvProjectGrid& grid, int i) {
    const ConvDirection& direction = params.direction[i];
    const int lead = direction.reversed ? 0 : kProjectHalo;
    row_ = static_cast<int>(threadIdx.x) / Form::kFours;
    column_ = (static_cast<int>(threadIdx.x) - row_ * Form::kFours) * 4;
    const ConvPlace place = project_place(params, grid, min(row_ / kProjectSteps, 1), 0);
    const int first_token = place.begin + row_ % kProjectSteps + lead;
    const int end = min(place.end + lead, static_cast<int>(params.seqlen));
    first_round_ = first_token < 0 ? 1 : 0;
    num_rounds_ = row_ < kProjectRows && first_token < end
                      ? (end - 1 - first_token) / kProjectSteps + 1 - first_round_
                      : 0;
    const MutableTokenView& view = direction.projected;
    stride_ = static_cast<int>(view.token_stride);
    to_ = static_cast<T*>(view.data) + place.batch * view.batch_stride +
          (first_token - 2 * kProjectSteps) * view.token_stride + column_;
  }

  /// Adds the parts' sums of a round of the walk and stores them. rows: its rows of the first part.
  /// Called once for every round from -2 on, most of them of the walk.
  __device__ __forceinline__ void add(int round, const float (*rows)[Form::kSumPitch]) {
    if (static_cast<unsigned>(round - first_round_) < static_cast<unsigned>(num_rounds_)) {
      float4 sum = part_of(rows, 0);
#pragma unroll
      for (int part = 1; part < Form::kParts; ++part) {
        const float4 four = part_of(rows, part);
        sum.x += four.x;
        sum.y += four.y;
        sum.z += four.z;
        sum.w += four.w;
      }
      store_pack<4>({sum.x, sum.y, sum.z, sum.w}, to_);
    }
    to_ += kProjectSteps * static_cast<int64_t>(stride_);
  }

 private:
  __device__ __forceinline__ float4 part_of(const float (*rows)[Form::kSumPitch], int part) const {
    return *reinterpret_cast<const float4*>(&rows[part * kProjectRows + row_][column_]);
  }

  T* to_;
  int row_;
  int column_;
  int first_round_;
  int num_rounds_;
  int stride_;
};

/// The tokens of x that a thread's next round convolves.
template <typename T>
class ConvProjectInput {
  static constexpr int kHalo = kProjectHalo;

 public:
  __device__ __forceinline__ ConvProjectInput(const ConvParams& params, const ConvPlace& place)
      : x_(params.x, place, params.seqlen, place.begin) {
#pragma unroll
    for (int r = 0; r < kProjectSteps; ++r) next_[r] = x_.fetch(kHalo + r);
#pragma unroll
    for (int j = 0; j < kHalo; ++j) x_.load(j, window_[j]);
  }

  /// The tokens of the steps first to first + 3 of this round, and starts to load the next round's.
  template <bool kIsInside>
  __device__ __forceinline__ void take(
      int first, float (&tokens)[kHalo + kConvForwardUnroll][kProjectPack]) {
#pragma unroll
    for (int j = 0; j < kHalo; ++j) copy(window_[j], tokens[j]);
#pragma unroll
    for (int r = 0; r < kConvForwardUnroll; ++r) {
      unpack_raw(next_[first + r], tokens[kHalo + r]);
      const int ahead = kHalo + kProjectSteps + first + r;
      next_[first + r] = kIsInside ? load_raw<kProjectPack>(x_.at(ahead)) : x_.fetch(ahead);
    }
#pragma unroll
    for (int j = 0; j < kHalo; ++j) copy(tokens[kConvForwardUnroll + j], window_[j]);
  }

  __device__ __forceinline__ void advance() { x_.advance(kProjectSteps); }

 private:
  __device__ __forceinline__ static void copy(
      const float (&from)[kProjectPack], float (&to)[kProjectPack]) {
#pragma unroll
    for (int c = 0; c < kProjectPack; ++c) to[c] = from[c];
  }

  ConvTokens<const T, kProjectPack> x_;
  RawPack<T, kProjectPack> next_[kProjectSteps];
  float window_[kHalo][kProjectPack];
};

/// A thread's walk along its chunk, a round at a time.
template <typename Form>
class ConvProjectWalk {
  using T = typename Form::T;
  static constexpr int kUnroll = kConvForwardUnroll;

 public:
  __device__ __forceinline__
  ConvProjectWalk(const ConvParams& params, int i, const ConvPlace& place)
      : input_(params, place),
        taps_(params, i, place.channel),
        out_(params.direction[i].out, place, params.seqlen, place.begin + taps_.lead),
        step_(place.begin),
        end_(place.end),
        inside_end_(min(
            place.end, static_cast<int>(params.seqlen) - kProjectHalo - 2 * kProjectSteps + 1)) {}

  __device__ __forceinline__ bool has_round() const { return step_ < end_; }

  /// Convolves a round; u goes to device memory and to row. Calls between(s) for every slice s.
  template <typename Between>
  __device__ __forceinline__ void take_round(T* row, const Between& between) {
    if (step_ >= 0 && step_ < inside_end_) {
      take<true>(row, between);
    } else {
      take<false>(row, between);
    }
    step_ += kProjectSteps;
  }

 private:
  // kIsInside: this round's tokens and the next's lie within the sequence.
  template <bool kIsInside, typename Between>
  __device__ __forceinline__ void take(T* row, const Between& between) {
#pragma unroll
    for (int first = 0; first < kProjectSteps; first += kUnroll) {
      float tokens[kProjectHalo + kUnroll][kProjectPack];
      input_.template take<kIsInside>(first, tokens);
      float o[kUnroll][kProjectPack];
      compute_outputs<T>(taps_, tokens, true, o);
#pragma unroll
      for (int r = 0; r < kUnroll; ++r) {
        between(first + r);
        const auto u = pack_raw<T>(o[r]);
        store_raw(u, row + (first + r) * Form::kPitch);
        if (kIsInside || out_.has(first + r)) store_raw(u, out_.at(first + r));
      }
    }
    input_.advance();
    out_.advance(kProjectSteps);
  }

  ConvProjectInput<T> input_;
  ConvTaps<kProjectTaps, kProjectPack> taps_;
  ConvTokens<T, kProjectPack> out_;
  int step_;
  int end_;
  int inside_end_;
};

/// Blocks are (pair of chunks, direction), the direction fastest, so that both read a token of x at
/// nearly the same time.
template <typename Form>
__global__ void __launch_bounds__(Form::kThreads, Form::kMinBlocks)
    causal_conv1d_project_kernel(ConvParams params, ConvProjectGrid grid) {
  using T = typename Form::T;
  auto& shared = *block_shared<typename Form::Shared>();
  const ConvProjectRole<Form> role;
  const int i = static_cast<int>(blockIdx.x % static_cast<unsigned>(params.num_directions));
  const ConvPlace place = project_place(params, grid, role.group, role.channel());
  ConvProjectWalk<Form> walk(params, i, place);
  ConvProjectProduct<Form> product;
  product.start_weight(params.direction[i].projection);
  ConvProjectStore<Form> store(params, grid, i);
  const int num_rounds = grid.chunk_steps / kProjectSteps;
#pragma unroll 1
  for (int round = 0; round <= num_rounds; ++round) {
    const int buffer = round % 2;
    if (round == 1) product.load_weight(role);  // nobody reads the sums of round 0
    store.add(round - 2, shared.sums[buffer][0]);
    const T* rows = shared.u[1 - buffer][role.lane % 16];
    rows += role.part * kProjectPartChannels + role.lane / 16 * 8;
    const auto multiply = [&](int s) { product.add_slice(rows, s); };
    product.clear();
    if (walk.has_round()) {
      walk.take_round(&shared.u[buffer][role.group * kProjectSteps][place.channel], multiply);
    } else {
#pragma unroll
      for (int s = 0; s < kProjectSlices; ++s) multiply(s);
    }
    float* to = shared.sums[1 - buffer][role.part][role.lane / 4];
    to += role.group * Form::kColumnTiles * 8 + role.lane % 4 * 2;
    product.store(to, role.group);
    if (round == 0) wait_for_copies();
    __syncthreads();
  }
  store.add(num_rounds - 1, shared.sums[(num_rounds + 1) % 2][0]);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
