// Checks, division of the work and launches of the narrow products.
#include "kernels/cuda/narrow_products.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cuda/narrow_products.cuh"
#include "kernels/cuda/narrow_products_reduce.cuh"
#include "kernels/cuda/plan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int64_t kMaxChannels = 768;
constexpr int64_t kAlignment = 16;              // bytes: of every pointer, and of a copy
constexpr int64_t kStrideElements = 8;          // the same in elements
constexpr int64_t kMaxBlocks = 132;             // one for each multiprocessor of an H100 or H200
constexpr int64_t kMinPieceTiles = 4;           // fewer would cost more sums than they save time
constexpr int kMaxTileSteps = 2;                // already enough bytes on their way
constexpr int64_t kMaxSharedBytes = 99 << 10;   // of a block, on every architecture
constexpr int64_t kMaxRows = int64_t{1} << 36;  // those of a piece are counted in 32 bits

void require(bool holds, const char* what) {
  if (!holds) {
    throw std::invalid_argument(std::string("narrow_products: ") + what);
  }
}

bool has_form(int64_t columns, bool has_weight) {
  const bool has_both = columns == 16 || columns == 24;
  return has_both || (!has_weight && (columns == 48 || columns == 56));
}

bool fits_copies(const void* data, int64_t row_stride) {
  return is_aligned(data, kAlignment) && row_stride >= 0 && row_stride % kStrideElements == 0;
}

bool is_aligned_direction(const NarrowProductsDirection& direction) {
  return fits_copies(direction.wide.data, direction.wide.row_stride) &&
         fits_copies(direction.narrow.data, direction.narrow.row_stride) &&
         fits_copies(direction.out.data, direction.out.row_stride) &&
         is_aligned(direction.weight, kAlignment) && is_aligned(direction.sums, kAlignment);
}

void check_direction(const NarrowProductsParams& params, int i) {
  const NarrowProductsDirection& direction = params.direction[i];
  require(direction.wide.data != nullptr, "wide is null");
  require(direction.narrow.data != nullptr, "narrow is null");
  require(direction.sums != nullptr, "sums are null");
  require(
      (direction.weight != nullptr) == params.has_weight(),
      "weight must be given for all directions or for none");
  if (params.has_weight()) {
    require(direction.out.data != nullptr, "out is null");
    require(direction.out.row_stride >= params.columns, "rows of out overlap");
  }
}

void check_sizes(const NarrowProductsParams& params) {
  require(
      narrow_products_fit(params),
      "sizes, storage type or alignment that narrow_products_fit refuses");
  require(params.rows >= 1 && params.rows <= kMaxRows, "rows must be from 1 to 2^36");
  require(
      params.gap_begin >= 0 && params.gap_begin <= params.gap_end &&
          params.gap_end <= params.columns && params.gap_end - params.gap_begin < params.columns,
      "the gap must lie within the columns and leave some of them");
}

void check(const NarrowProductsParams& params) {
  check_sizes(params);
  for (int i = 0; i < params.num_directions; ++i) {
    check_direction(params, i);
  }
  require(params.workspace != nullptr, "workspace is null");
}

// Elements of a stage, by its rows.
int64_t stage_elements(const NarrowProductsParams& params, int64_t tile_rows) {
  const int pitches = narrow_pitch(static_cast<int>(params.channels)) +
                      narrow_pitch(static_cast<int>(params.columns));
  return tile_rows * pitches;
}

int64_t shared_bytes(const NarrowProductsParams& params, int64_t weight_warps, int64_t tile_rows) {
  const int64_t stage = stage_elements(params, tile_rows) * storage_bytes(params.dtype);
  const int64_t products =
      weight_warps * tile_rows * params.columns * static_cast<int64_t>(sizeof(float));
  return kNarrowStages * stage + 2 * products;
}

NarrowPlan make_plan(const NarrowProductsParams& params) {
  NarrowPlan plan;
  const bool has_weight = params.has_weight();
  plan.sum_warps = static_cast<int>(divide_up(params.channels, has_weight ? 48 : 32));
  plan.weight_warps = has_weight ? static_cast<int>(divide_up(params.channels, 96)) : 0;
  plan.tile_rows = kMaxTileSteps * kNarrowStep;
  while (shared_bytes(params, plan.weight_warps, plan.tile_rows) > kMaxSharedBytes) {
    plan.tile_rows -= kNarrowStep;
  }
  plan.shared_bytes = shared_bytes(params, plan.weight_warps, plan.tile_rows);
  plan.wide_pitch = narrow_pitch(static_cast<int>(params.channels));
  plan.stage_elements = static_cast<int>(stage_elements(params, plan.tile_rows));
  plan.chunks = static_cast<int>(params.channels) / 8;
  plan.chunk_factor = (1 << kNarrowFactorShift) / plan.chunks + 1;
  const int64_t tiles = divide_up(params.rows, plan.tile_rows);
  const int64_t piece_tiles =
      std::max(divide_up(tiles, kMaxBlocks / params.num_directions), kMinPieceTiles);
  plan.piece_rows = piece_tiles * plan.tile_rows;
  plan.num_pieces = static_cast<int>(divide_up(tiles, piece_tiles));
  return plan;
}

template <typename Form>
void launch_products(const NarrowProductsParams& params, void* stream) {
  const NarrowPlan plan = make_plan(params);
  LaunchShape shape;
  shape.grid =
      dim3(static_cast<unsigned>(plan.num_pieces), static_cast<unsigned>(params.num_directions));
  shape.block = dim3(static_cast<unsigned>(plan.num_threads()));
  shape.shared_bytes = plan.shared_bytes;
  shape.stream = static_cast<cudaStream_t>(stream);
  VIM_LAUNCH((narrow_products_kernel<Form>), shape, params, plan);
}

// The sizes that has_form knows.
template <typename T>
void dispatch_products(const NarrowProductsParams& params, void* stream) {
  const bool has_weight = params.has_weight();
  switch (params.columns) {
    case 16:
      return has_weight ? launch_products<NarrowForm<T, 16, true>>(params, stream)
                        : launch_products<NarrowForm<T, 16, false>>(params, stream);
    case 24:
      return has_weight ? launch_products<NarrowForm<T, 24, true>>(params, stream)
                        : launch_products<NarrowForm<T, 24, false>>(params, stream);
    case 48:
      return launch_products<NarrowForm<T, 48, false>>(params, stream);
    case 56:
      return launch_products<NarrowForm<T, 56, false>>(params, stream);
    default:
      require(false, "no kernel for this number of columns");
  }
}

}  // namespace

bool narrow_products_fit(const NarrowProductsParams& params) {
  bool fits = params.num_directions >= 1 && params.num_directions <= kMaxDirections &&
              (params.dtype == DType::kBFloat16 || params.dtype == DType::kFloat16) &&
              params.channels >= 32 && params.channels <= kMaxChannels &&
              params.channels % 32 == 0 && has_form(params.columns, params.has_weight()) &&
              is_aligned(params.workspace, kAlignment);
  for (int i = 0; fits && i < params.num_directions; ++i) {
    fits = is_aligned_direction(params.direction[i]);
  }
  return fits;
}

size_t narrow_products_workspace_size(const NarrowProductsParams& params) {
  check_sizes(params);
  const int64_t piece_sums = params.channels * params.columns;
  return make_plan(params).num_pieces * params.num_directions * piece_sums * sizeof(float);
}

void narrow_products(const NarrowProductsParams& params, void* stream) {
  check(params);
  if (params.dtype == DType::kBFloat16) {
    return dispatch_products<BFloat16>(params, stream);
  }
  dispatch_products<Float16>(params, stream);
}

void narrow_products_reduce(const NarrowProductsParams& params, void* stream) {
  check(params);
  LaunchShape shape;
  // A multiple of 32 channels by one of 8 columns: whole warps of pairs.
  const int64_t blocks = params.channels * params.columns / (2 * kWarpSize);
  shape.grid = dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(params.num_directions));
  shape.block = dim3(kNarrowReduceWarps * kWarpSize);
  shape.shared_bytes = sizeof(NarrowReduceSums);
  shape.stream = static_cast<cudaStream_t>(stream);
  VIM_LAUNCH(narrow_products_reduce_kernel, shape, params, make_plan(params).num_pieces);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
