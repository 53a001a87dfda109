// What the kernels of add+norm do with one row. A row of up to 1024 channels is held in the
// registers of a warp or of half a warp: every array is read once, in accesses of four channels.
// Which lane holds which channel depends on the number of channels alone, so equal rows give equal
// bits whatever their storage types are and whichever other arrays are present.
#pragma once

#include "kernels/add_norm.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/namespace.h"
#include "kernels/cuda/numeric.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Channels of one access.
inline constexpr int kNormPack = 4;
inline constexpr int kNormThreads = 128;
inline constexpr int kNormWarps = kNormThreads / kWarpSize;

/// How a row is spread over the registers: kLanes lanes with kPacks packs each. Lane l has the
/// packs l, l + kLanes, l + 2 kLanes, ...
template <int kLaneCount, int kPackCount>
struct NormTile {
  static constexpr int kLanes = kLaneCount;
  static constexpr int kPacks = kPackCount;
  static constexpr int kRows = kNormThreads / kLanes;  // rows that a block holds at a time
  static constexpr int64_t kMaxDim = int64_t{kLanes} * kPacks * kNormPack;
};

/// A lane's part of a row.
template <class Tile>
struct HeldRow {
  float values[Tile::kPacks][kNormPack];
};

/// The row that a lane works on. Lanes beyond the last row read that row and take part in sums with
/// no channels.
struct RowPlace {
  int64_t row;
  int count;  // channels: dim or 0

  __device__ RowPlace(const AddNormParams& params, int64_t wanted)
      : row(wanted < params.rows ? wanted : params.rows - 1),
        count(wanted < params.rows ? static_cast<int>(params.dim) : 0) {}
};

/// A row's mean is mean + shift, both 0 for RMS: one float cannot hold the mean of a row far from 0
/// well enough to be subtracted from it.
struct NormRowStats {
  float mean;
  float shift;
  float rstd;

  __device__ float normalize(float v) const { return (v - mean - shift) * rstd; }
};

/// Calls f(pack, channel) for each of this lane's packs that lies below count channels.
template <class Tile, typename F>
__device__ __forceinline__ void for_each_pack(int count, F f) {
  const int lane = static_cast<int>(threadIdx.x) % Tile::kLanes;
#pragma unroll
  for (int pack = 0; pack < Tile::kPacks; ++pack) {
    const int channel = (pack * Tile::kLanes + lane) * kNormPack;
    if (channel < count) {
      f(pack, channel);
    }
  }
}

/// Reads a row of dim channels. A pack beyond them reads the last one instead: loads without a
/// condition leave together.
template <class Tile, typename T>
__device__ __forceinline__ void load_row(const T* from, int dim, HeldRow<Tile>& row) {
  for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int c) {
    load_pack<kNormPack>(from + (c < dim ? c : dim - kNormPack), row.values[pack]);
  });
}

/// Writes the packs below count channels.
template <class Tile, typename T>
__device__ __forceinline__ void store_row(const HeldRow<Tile>& row, int count, T* to) {
  for_each_pack<Tile>(
      count, [&](int pack, int c) { store_pack<kNormPack>(row.values[pack], to + c); });
}

/// Calls f with the storage type's zero. The kernels choose the storage type as they run: nine
/// pairs of types would be nine times the code, for a branch that all threads take alike.
template <typename F>
__device__ __forceinline__ void visit_storage(DType dtype, F f) {
  if (dtype == DType::kFloat32) {
    f(float{});
  } else if (dtype == DType::kBFloat16) {
    f(BFloat16{});
  } else {
    f(Float16{});
  }
}

/// load_row of an array of any storage type, from its element `base` on. Comes after the loads of
/// float arrays, so that these need not wait for the conversion.
template <class Tile>
__device__ __forceinline__ void load_stored_row(
    const void* from, DType dtype, int64_t base, int dim, HeldRow<Tile>& row) {
  visit_storage(dtype, [&](auto zero) {
    load_row(static_cast<const decltype(zero)*>(from) + base, dim, row);
  });
}

template <class Tile>
__device__ __forceinline__ void store_stored_row(
    const HeldRow<Tile>& row, int count, void* to, DType dtype, int64_t base) {
  visit_storage(
      dtype, [&](auto zero) { store_row(row, count, static_cast<decltype(zero)*>(to) + base); });
}

/// Sum over the kLanes lanes that hold a row, the same bits in each of them.
template <int kLanes>
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, offset);
  }
  return value;
}

/// Statistics from the sums over a row of (v - mean) and (v - mean)^2.
__device__ inline NormRowStats finish_row_stats(
    const AddNormParams& params, float mean, float sum, float squares) {
  const auto dim = static_cast<float>(params.dim);
  const float shift = params.kind == NormKind::kLayer ? sum / dim : 0.0F;
  // The shift is a rounding error of the mean: subtracting its square cancels nothing.
  const float variance = fmaf(-shift, shift, squares / dim);
  return {mean, shift, 1.0F / sqrtf(variance + params.eps)};
}

/// Statistics of a held row. All lanes of the warp take part.
template <class Tile>
__device__ __forceinline__ NormRowStats
held_row_stats(const AddNormParams& params, const HeldRow<Tile>& row, int count) {
  float mean = 0.0F;
  float sum = 0.0F;
  if (params.kind == NormKind::kLayer) {
    for_each_pack<Tile>(count, [&](int pack, int) {
      for (int i = 0; i < kNormPack; ++i) {
        sum += row.values[pack][i];
      }
    });
    mean = row_sum<Tile::kLanes>(sum) / static_cast<float>(params.dim);
    sum = 0.0F;
  }
  float squares = 0.0F;
  for_each_pack<Tile>(count, [&](int pack, int) {
    for (int i = 0; i < kNormPack; ++i) {
      const float centred = row.values[pack][i] - mean;
      sum += centred;
      squares = fmaf(centred, centred, squares);
    }
  });
  if (params.kind == NormKind::kLayer) {
    sum = row_sum<Tile::kLanes>(sum);
  }
  return finish_row_stats(params, mean, sum, row_sum<Tile::kLanes>(squares));
}

/// mask of the row's sample, 1 without a mask.
__device__ inline float norm_row_mask(const AddNormParams& params, int64_t row) {
  return params.sample_mask == nullptr ? 1.0F : params.sample_mask[row / params.rows_per_sample];
}

/// True if x is divided and masked at all.
__device__ inline bool is_scaled(const AddNormParams& params) {
  return params.sample_mask != nullptr || params.keep != 1.0F;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
