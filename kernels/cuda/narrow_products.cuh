// The first launch of the narrow products: out, and each row piece's sums.
//
// Memory is the limit, so a block does all there is to do with a row of `wide` while the row lies
// in shared memory. A block walks the tiles of its piece, which copies of 16 bytes bring into a
// ring of kNarrowStages stages, and keeps its sums in registers on the way. With a weight, two
// warps of three sum over 48 channels each, and the third multiplies 96 channels by the weight,
// which it keeps in the very registers where the others have their sums. What those third warps
// find is added a tile later, so that one barrier a tile is enough:
//
//   tile t     has arrived in every thread's copies, and the block is done with tile t - 1
//   then       start to copy tile t + 2 over tile t - 1; add the warps' products of tile t - 1;
//              multiply tile t, or sum over it
#pragma once

#include <cstdint>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/numeric.cuh"
#include "kernels/narrow_products.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

inline constexpr int kNarrowStages = 3;
inline constexpr int kNarrowStep = 16;     // rows, or channels, of one product of the tensor cores
inline constexpr int kNarrowCopyRows = 8;  // that a block copies at a time, a chunk a thread
inline constexpr int kNarrowFactorShift = 20;
inline constexpr int kNarrowMaxThreads = 768;

/// Elements from row to row in shared memory: an odd number of 16-byte chunks, so that the eight
/// rows of a matrix lie in different banks.
constexpr int narrow_pitch(int width) { return (width / 8 | 1) * 8; }

/// The value, of which the compiler does not know that it is the same every time: what follows from
/// it is computed where it is used, instead of being kept in registers, of which sums and weight
/// leave few.
__device__ __forceinline__ int computed_anew(int value) {
#ifdef __CUDA_ARCH__
  asm volatile("" : "+r"(value));
#endif
  return value;
}

/// What is known when the kernel is compiled. A slice is kNarrowStep channels.
template <typename T_, int kColumns_, bool kHasWeight_>
struct NarrowForm {
  using T = T_;
  static constexpr int kColumns = kColumns_;
  static constexpr bool kHasWeight = kHasWeight_;
  static constexpr int kColumnTiles = kColumns / 8;
  static constexpr int kNarrowPitch = narrow_pitch(kColumns);
  static constexpr int kSumSlices = kHasWeight ? 3 : 2;  // that a warp sums over
  static constexpr int kWeightSlices = 2 * kSumSlices;   // or multiplies: as many registers
  static_assert(kColumns % 8 == 0, "columns come eight at a time");
};

/// The division of the work, a function of the sizes alone. The last weight_warps multiply.
struct NarrowPlan {
  int sum_warps;
  int weight_warps;  // 0 without a weight
  int tile_rows;     // a multiple of kNarrowStep
  int wide_pitch;    // narrow_pitch of the channels
  int stage_elements;
  int chunks;          // 16 bytes each, of a row of wide
  int chunk_factor;    // i / chunks is i * chunk_factor >> kNarrowFactorShift for every thread i
  int num_pieces;      // of each direction
  int64_t piece_rows;  // of every piece but perhaps the last: whole tiles, counted in 32 bits
  size_t shared_bytes;

  int num_threads() const { return (sum_warps + weight_warps) * kWarpSize; }
};

/// What a warp keeps all the way. Its sums: fragment d of (slice, column tile). Or the bits of its
/// weight: fragment b of slices 2i and 2i + 1 at [i][column tile], one behind the other.
template <typename Form>
struct NarrowKept {
  float words[Form::kSumSlices][Form::kColumnTiles][4];
};

/// The channels of a warp and what it does with them.
template <typename Form>
struct NarrowJob {
  bool multiplies = false;
  int index;  // among the warps with the same job
  int first_channel;
  int num_slices = Form::kSumSlices;

  __device__ __forceinline__ NarrowJob(const NarrowProductsParams& params, const NarrowPlan& plan) {
    index = static_cast<int>(threadIdx.x) / kWarpSize;
    int most = Form::kSumSlices;
    if constexpr (Form::kHasWeight) {
      multiplies = index >= plan.sum_warps;
      if (multiplies) {
        index -= plan.sum_warps;
        most = Form::kWeightSlices;
      }
    }
    first_channel = index * most * kNarrowStep;
    if constexpr (Form::kHasWeight) {
      num_slices = min(most, (static_cast<int>(params.channels) - first_channel) / kNarrowStep);
    }
  }
};

/// The tiles of a block's piece and their stages in shared memory. Rows are counted from the
/// piece's first.
template <typename Form>
class NarrowTiles {
 public:
  using T = typename Form::T;

  __device__ __forceinline__ NarrowTiles(const NarrowProductsParams& params, const NarrowPlan& plan)
      : params_(params),
        plan_(plan),
        num_rows_(static_cast<int>(min(plan.piece_rows, params.rows - first_row()))) {}

  __device__ __forceinline__ int num_rows() const { return num_rows_; }
  __device__ __forceinline__ bool has(int tile) const { return tile * plan_.tile_rows < num_rows_; }
  __device__ __forceinline__ int64_t first_row() const { return blockIdx.x * plan_.piece_rows; }
  __device__ __forceinline__ T* wide(int tile) const {
    return block_shared<T>() + tile % kNarrowStages * plan_.stage_elements;
  }
  __device__ __forceinline__ T* narrow(int tile) const {
    return wide(tile) + plan_.tile_rows * plan_.wide_pitch;
  }
  __device__ __forceinline__ const NarrowProductsDirection& direction() const {
    return params_.direction[computed_anew(static_cast<int>(blockIdx.y))];
  }
  /// What lies behind the stages.
  __device__ __forceinline__ float* products() const {
    return reinterpret_cast<float*>(block_shared<T>() + kNarrowStages * plan_.stage_elements);
  }

  /// Starts to copy a tile, with zeros for rows past the end. One group of copies, empty after the
  /// last tile.
  __device__ __forceinline__ void start(int tile) const {
    if (has(tile)) {
      start_wide(tile);
      start_narrow(tile);
    }
    commit_copies();
  }

 private:
  __device__ __forceinline__ void start_wide(int tile) const {
    const int thread = computed_anew(static_cast<int>(threadIdx.x));
    const int row_in_tile = thread * plan_.chunk_factor >> kNarrowFactorShift;
    if (row_in_tile >= kNarrowCopyRows) return;  // more threads than chunks
    const int column = (thread - row_in_tile * plan_.chunks) * 8;
    const MatrixView& view = direction().wide;
    int row = tile * plan_.tile_rows + row_in_tile;
    const T* from =
        static_cast<const T*>(view.data) + (first_row() + row) * view.row_stride + column;
    T* to = wide(tile) + row_in_tile * plan_.wide_pitch + column;
#pragma unroll 1
    for (int i = 0; i < plan_.tile_rows; i += kNarrowCopyRows) {
      copy_async<16>(to, from, row < num_rows_);
      row += kNarrowCopyRows;
      from += kNarrowCopyRows * view.row_stride;
      to += kNarrowCopyRows * plan_.wide_pitch;
    }
  }

  __device__ __forceinline__ void start_narrow(int tile) const {
    constexpr int kChunks = Form::kColumns / 8;  // of a row
    const MatrixView& view = direction().narrow;
    const auto* piece = static_cast<const T*>(view.data) + first_row() * view.row_stride;
    const auto num_threads = static_cast<int>(blockDim.x);
#pragma unroll 1
    for (int i = computed_anew(static_cast<int>(threadIdx.x)); i < plan_.tile_rows * kChunks;
         i += num_threads) {
      const int row = tile * plan_.tile_rows + i / kChunks;
      const int column = i % kChunks * 8;
      T* to = narrow(tile) + i / kChunks * Form::kNarrowPitch + column;
      copy_async<16>(to, piece + row * view.row_stride + column, row < num_rows_);
    }
  }

  const NarrowProductsParams& params_;
  const NarrowPlan& plan_;
  int num_rows_;
};

/// Loads the weight of a multiplying warp's channels; zeros past the last.
template <typename Form>
__device__ __forceinline__ void load_weight(
    const NarrowJob<Form>& job, const void* weight, NarrowKept<Form>& kept) {
  const int lane = computed_anew(static_cast<int>(threadIdx.x)) % kWarpSize;
  const auto* from = static_cast<const typename Form::T*>(weight);
  from += (job.first_channel + lane % 4 * 2) * Form::kColumns + lane / 4;
#pragma unroll
  for (int half = 0; half < 2 * Form::kWeightSlices; ++half) {  // of a slice: 8 channels
    const bool exists = half / 2 < job.num_slices;
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) {
      const auto* pair = from + 8 * half * Form::kColumns + 8 * j;
      const uint32_t low = exists ? pair[0].bits : 0;
      const uint32_t high = exists ? pair[Form::kColumns].bits : 0;
      kept.words[half / 4][j][half % 4] = float_from_bits(low | high << 16);
    }
  }
}

/// Multiplies kNarrowStep rows by the weight of the warp's channels. wide: the lane's place in the
/// first slice, as load_matrices wants it; to: that of its first sums in the warp's products.
template <typename Form>
__device__ __forceinline__ void multiply_step(
    const typename Form::T* wide, const NarrowKept<Form>& kept, int num_slices, float* to) {
  float sum[Form::kColumnTiles][4] = {};
#pragma unroll
  for (int k = 0; k < Form::kWeightSlices; ++k) {
    if (k >= num_slices) break;
    uint32_t a[4];
    load_matrices(wide + k * kNarrowStep, a);
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) {
      const float* word = &kept.words[k / 2][j][k % 2 * 2];
      const uint32_t b[2] = {float_bits(word[0]), float_bits(word[1])};
      mma_16x8x16<typename Form::T>(sum[j], a, b);
    }
  }
#pragma unroll
  for (int j = 0; j < Form::kColumnTiles; ++j) {
    float* below = to + 8 * Form::kColumns;
    *reinterpret_cast<float2*>(to + 8 * j) = make_float2(sum[j][0], sum[j][1]);
    *reinterpret_cast<float2*>(below + 8 * j) = make_float2(sum[j][2], sum[j][3]);
  }
}

/// Multiplies a tile by the weight of the warp's channels. wide: the first of these channels; to:
/// (tile rows, columns).
template <typename Form>
__device__ __forceinline__ void multiply_tile(
    const typename Form::T* wide,
    const NarrowPlan& plan,
    const NarrowKept<Form>& kept,
    int num_slices,
    float* to) {
  const int lane = computed_anew(static_cast<int>(threadIdx.x)) % kWarpSize;
  wide += lane % 16 * plan.wide_pitch + lane / 16 * 8;
  to += lane / 4 * Form::kColumns + lane % 4 * 2;
#pragma unroll 1
  for (int row = 0; row < plan.tile_rows; row += kNarrowStep) {
    multiply_step<Form>(wide, kept, num_slices, to);
    wide += kNarrowStep * plan.wide_pitch;
    to += kNarrowStep * Form::kColumns;
  }
}

/// Adds wide^T narrow over kNarrowStep rows to the warp's sums. wide and narrow: the lane's places
/// in the first slice and the first pair of column tiles, as load_transposed wants them.
template <typename Form>
__device__ __forceinline__ void sum_step(
    const typename Form::T* wide,
    const typename Form::T* narrow,
    int num_slices,
    NarrowKept<Form>& kept) {
  using T = typename Form::T;
  constexpr int kTiles = Form::kColumnTiles;
  uint32_t a[Form::kSumSlices][4];
#pragma unroll
  for (int i = 0; i < Form::kSumSlices; ++i) {
    if (i < num_slices) load_transposed(wide + i * kNarrowStep, a[i]);
  }
#pragma unroll
  for (int j = 0; j < kTiles; j += 2) {
    const bool is_pair = j + 1 < kTiles;  // else the last, which the one before it accompanies
    uint32_t b[4];
    load_transposed(narrow + 8 * (is_pair ? j : j - 1), b);
#pragma unroll
    for (int i = 0; i < Form::kSumSlices; ++i) {
      if (i >= num_slices) break;
      if (is_pair) mma_16x8x16<T>(kept.words[i][j], a[i], {b[0], b[1]});
      mma_16x8x16<T>(kept.words[i][is_pair ? j + 1 : j], a[i], {b[2], b[3]});
    }
  }
}

/// Adds wide^T narrow over a tile to the warp's sums. wide: the warp's first channel.
template <typename Form>
__device__ __forceinline__ void sum_tile(
    const typename Form::T* wide,
    const typename Form::T* narrow,
    const NarrowPlan& plan,
    int num_slices,
    NarrowKept<Form>& kept) {
  const int lane = computed_anew(static_cast<int>(threadIdx.x)) % kWarpSize;
  wide += (lane / 16 * 8 + lane % 8) * plan.wide_pitch + lane / 8 % 2 * 8;
  narrow += lane % 16 * Form::kNarrowPitch + lane / 16 * 8;
#pragma unroll 1
  for (int row = 0; row < plan.tile_rows; row += kNarrowStep) {
    sum_step<Form>(wide, narrow, num_slices, kept);
    wide += kNarrowStep * plan.wide_pitch;
    narrow += kNarrowStep * Form::kNarrowPitch;
  }
}

/// Adds the warps' products of a tile in their order and stores the tile's rows of out.
template <typename Form>
__device__ __forceinline__ void store_out(
    const NarrowTiles<Form>& tiles, int tile, const NarrowPlan& plan) {
  constexpr int kPairs = Form::kColumns / 2;  // of a row
  const int tile_pairs = plan.tile_rows * kPairs;
  const float* products = tiles.products() + tile % 2 * plan.weight_warps * 2 * tile_pairs;
  const MutableMatrixView& out = tiles.direction().out;
  auto* piece = static_cast<typename Form::T*>(out.data) + tiles.first_row() * out.row_stride;
  const auto num_threads = static_cast<int>(blockDim.x);
#pragma unroll 1
  for (int i = computed_anew(static_cast<int>(threadIdx.x)); i < tile_pairs; i += num_threads) {
    const int row = tile * plan.tile_rows + i / kPairs;
    if (row >= tiles.num_rows()) return;
    float sum[2] = {};
#pragma unroll 4
    for (int warp = 0; warp < plan.weight_warps; ++warp) {
      const float2 part = reinterpret_cast<const float2*>(products)[warp * tile_pairs + i];
      sum[0] += part.x;
      sum[1] += part.y;
    }
    store_pack<2>(sum, piece + row * out.row_stride + i % kPairs * 2);
  }
}

/// Stores a summing warp's sums in the piece's part of the workspace, which is laid out as the sums
/// shall be, with the columns of the gap.
template <typename Form>
__device__ __forceinline__ void store_piece_sums(
    const NarrowProductsParams& params,
    const NarrowJob<Form>& job,
    const NarrowKept<Form>& kept,
    float* to) {
  const int lane = computed_anew(static_cast<int>(threadIdx.x)) % kWarpSize;
  const int channel_stride = params.transposed ? 1 : Form::kColumns;
  const int column_stride = params.transposed ? static_cast<int>(params.channels) : 1;
  to += (job.first_channel + lane / 4) * channel_stride + lane % 4 * 2 * column_stride;
#pragma unroll
  for (int i = 0; i < Form::kSumSlices; ++i) {
    if (i >= job.num_slices) break;
#pragma unroll
    for (int j = 0; j < Form::kColumnTiles; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int channel = kNarrowStep * i + e / 2 * 8;
        const int column = 8 * j + e % 2;
        to[channel * channel_stride + column * column_stride] = kept.words[i][j][e];
      }
    }
  }
}

/// Multiplies or sums one tile, as the warp's job is.
template <typename Form>
__device__ __forceinline__ void process_tile(
    const NarrowTiles<Form>& tiles,
    int tile,
    const NarrowJob<Form>& job,
    const NarrowPlan& plan,
    NarrowKept<Form>& kept) {
  const auto* wide = tiles.wide(tile) + job.first_channel;
  if (job.multiplies) {
    float* to = tiles.products();
    to += (tile % 2 * plan.weight_warps + job.index) * plan.tile_rows * Form::kColumns;
    multiply_tile<Form>(wide, plan, kept, job.num_slices, to);
    return;
  }
  sum_tile<Form>(wide, tiles.narrow(tile), plan, job.num_slices, kept);
}

/// Blocks are (direction, piece), the piece fastest.
template <typename Form>
__global__ void __launch_bounds__(kNarrowMaxThreads)
    narrow_products_kernel(NarrowProductsParams params, NarrowPlan plan) {
  const NarrowTiles<Form> tiles(params, plan);
  const NarrowJob<Form> job(params, plan);
  for (int first = 0; first < kNarrowStages - 1; ++first) {
    tiles.start(first);
  }
  NarrowKept<Form> kept = {};
  if (job.multiplies) load_weight<Form>(job, tiles.direction().weight, kept);
  int tile = 0;
  for (; tiles.has(tile); ++tile) {
    wait_for_groups<kNarrowStages - 2>();
    __syncthreads();
    tiles.start(tile + kNarrowStages - 1);
    if (Form::kHasWeight && tile > 0) store_out<Form>(tiles, tile - 1, plan);
    process_tile<Form>(tiles, tile, job, plan, kept);
  }
  if constexpr (Form::kHasWeight) {
    __syncthreads();
    store_out<Form>(tiles, tile - 1, plan);
  }
  if (!job.multiplies) {
    const int64_t piece = static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x;
    auto* to = static_cast<float*>(params.workspace) + piece * params.channels * Form::kColumns;
    store_piece_sums<Form>(params, job, kept, to);
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
