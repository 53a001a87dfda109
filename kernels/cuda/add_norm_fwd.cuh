// The forward kernel of add+norm for rows held in registers; add_norm.cu says which rows are.
#pragma once

#include "kernels/cuda/add_norm_row.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// Reads a row of v: the residual, if any, plus mask * (x / keep). Both arrays are read before
// either is used.
template <class Tile>
__device__ __forceinline__ void load_v(
    const AddNormParams& params, const RowPlace& place, HeldRow<Tile>& v) {
  const int64_t base = place.row * params.dim;
  const auto dim = static_cast<int>(params.dim);
  HeldRow<Tile> residual = {};
  if (params.residual != nullptr) {
    load_row(params.residual + base, dim, residual);
  }
  load_stored_row(params.x, params.x_dtype, base, dim, v);
  if (is_scaled(params)) {
    const float mask = norm_row_mask(params, place.row);
    for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int) {
      for (int i = 0; i < kNormPack; ++i) {
        v.values[pack][i] = v.values[pack][i] / params.keep * mask;
      }
    });
  }
  if (params.residual != nullptr) {  // adding 0 instead would turn -0 into 0
    for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int) {
      for (int i = 0; i < kNormPack; ++i) {
        v.values[pack][i] += residual.values[pack][i];
      }
    });
  }
}

// Turns v into out = xhat * weight + bias.
template <class Tile>
__device__ __forceinline__ void normalize_row(
    const AddNormParams& params, const NormRowStats& stats, HeldRow<Tile>& v) {
  const auto dim = static_cast<int>(params.dim);
  HeldRow<Tile> weight;
  HeldRow<Tile> bias = {};
  load_row(params.weight, dim, weight);
  if (params.bias != nullptr) {
    load_row(params.bias, dim, bias);
  }
  for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int) {
    for (int i = 0; i < kNormPack; ++i) {
      const float xhat = stats.normalize(v.values[pack][i]);
      v.values[pack][i] = fmaf(xhat, weight.values[pack][i], bias.values[pack][i]);
    }
  });
}

// One row for each kLanes lanes.
template <class Tile>
__global__ void __launch_bounds__(kNormThreads) add_norm_forward_kernel(AddNormParams params) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * Tile::kRows;
  const RowPlace place(params, first + threadIdx.x / Tile::kLanes);
  const int64_t base = place.row * params.dim;
  HeldRow<Tile> v;
  load_v(params, place, v);
  if (params.residual_out != nullptr) {
    store_row(v, place.count, params.residual_out + base);
  }
  const NormRowStats stats = held_row_stats(params, v, place.count);
  normalize_row(params, stats, v);
  store_stored_row(v, place.count, params.out, params.out_dtype, base);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
