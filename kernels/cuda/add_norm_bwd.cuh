// The backward kernel of add+norm for rows held in registers. A block walks a fixed chunk of rows
// once: it writes dx and dv and, at the end, the chunk's sums of dweight and dbias, which its lanes
// have added in registers.
#pragma once

#include "kernels/cuda/add_norm_row.cuh"
#include "kernels/cuda/add_norm_sums.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// The two means that the gradient of a row needs: of q = weight * dout (0 for RMS), and of xhat *
// q.
struct GradMeans {
  float q;
  float xhat_q;
};

template <class Tile>
struct WeightSums {
  HeldRow<Tile> dweight;
  HeldRow<Tile> dbias;
};

// Blocks that a multiprocessor must hold, in registers: enough rows on the way to hide the memory's
// latency.
template <class Tile, bool kHasBias>
constexpr int min_blocks() {
  if (Tile::kPacks > 3) {
    return Tile::kPacks > 6 || kHasBias ? 2 : 3;
  }
  return kHasBias ? 5 : 6;
}

// Turns v into xhat and dy into q; adds the row's dweight and dbias to the lane's sums.
template <class Tile, bool kHasBias>
__device__ __forceinline__ GradMeans normalize_row(
    const AddNormParams& params,
    const NormRowStats& stats,
    int count,
    HeldRow<Tile>* v_dy,
    WeightSums<Tile>& sums) {
  HeldRow<Tile> weight;
  load_row(params.weight, static_cast<int>(params.dim), weight);
  float q_sum = 0.0F;
  float xhat_q_sum = 0.0F;
  for_each_pack<Tile>(count, [&](int pack, int) {
    for (int i = 0; i < kNormPack; ++i) {
      float& v = v_dy[0].values[pack][i];
      float& dy = v_dy[1].values[pack][i];
      v = stats.normalize(v);
      sums.dweight.values[pack][i] = fmaf(v, dy, sums.dweight.values[pack][i]);
      if (kHasBias) {
        sums.dbias.values[pack][i] += dy;
      }
      dy *= weight.values[pack][i];
      q_sum += dy;
      xhat_q_sum = fmaf(v, dy, xhat_q_sum);
    }
  });
  const auto dim = static_cast<float>(params.dim);
  const bool is_layer = params.kind == NormKind::kLayer;
  const float q = is_layer ? row_sum<Tile::kLanes>(q_sum) / dim : 0.0F;
  return {q, row_sum<Tile::kLanes>(xhat_q_sum) / dim};
}

// Writes dv and, masked and divided, dx.
template <class Tile>
__device__ __forceinline__ void store_input_grads(
    const AddNormBackwardParams& params, const RowPlace& place, HeldRow<Tile>& dv) {
  const AddNormParams& forward = params.forward;
  const int64_t base = place.row * forward.dim;
  if (params.dv != nullptr) {
    store_row(dv, place.count, params.dv + base);
  }
  if (params.dx == nullptr) {
    return;
  }
  if (is_scaled(forward)) {
    const float mask = norm_row_mask(forward, place.row);
    for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int) {
      for (int i = 0; i < kNormPack; ++i) {
        dv.values[pack][i] = dv.values[pack][i] * mask / forward.keep;
      }
    });
  }
  store_stored_row(dv, place.count, params.dx, forward.x_dtype, base);
}

// One row of the backward.
template <class Tile, bool kHasBias>
__device__ __forceinline__ void backward_row(
    const AddNormBackwardParams& params, const RowPlace& place, WeightSums<Tile>& sums) {
  const int64_t base = place.row * params.forward.dim;
  const auto dim = static_cast<int>(params.forward.dim);
  HeldRow<Tile> v_dy[2];
  HeldRow<Tile> dv = {};  // dresidual at first
  load_row(params.v + base, dim, v_dy[0]);
  if (params.dresidual != nullptr) {
    load_row(params.dresidual + base, dim, dv);
  }
  load_stored_row(params.dout, params.forward.out_dtype, base, dim, v_dy[1]);
  const NormRowStats stats = held_row_stats(params.forward, v_dy[0], place.count);
  const GradMeans means =
      normalize_row<Tile, kHasBias>(params.forward, stats, place.count, v_dy, sums);
  for_each_pack<Tile>(Tile::kMaxDim, [&](int pack, int) {
    for (int i = 0; i < kNormPack; ++i) {
      const float xhat = v_dy[0].values[pack][i];
      const float own = fmaf(-xhat, means.xhat_q, v_dy[1].values[pack][i] - means.q);
      dv.values[pack][i] = fmaf(own, stats.rstd, dv.values[pack][i]);
    }
  });
  store_input_grads(params, place, dv);
}

// One chunk of rows for each block. partial is (chunks, 2, dim): dweight, then dbias, which is
// written only with kHasBias.
template <class Tile, bool kHasBias>
__global__ void __launch_bounds__(kNormThreads, (min_blocks<Tile, kHasBias>()))
    add_norm_backward_kernel(AddNormBackwardParams params, int chunk_rows, float* partial) {
  const AddNormParams& forward = params.forward;
  const int dim = static_cast<int>(forward.dim);
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * chunk_rows;
  WeightSums<Tile> sums = {};
#pragma unroll 1
  for (int i = 0; i < chunk_rows / Tile::kRows; ++i) {
    const RowPlace place(forward, begin + i * Tile::kRows + threadIdx.x / Tile::kLanes);
    backward_row<Tile, kHasBias>(params, place, sums);
  }
  float* own = partial + static_cast<int64_t>(blockIdx.x) * 2 * dim;
  store_block_sums(sums.dweight, dim, own);
  if (kHasBias) {
    store_block_sums(sums.dbias, dim, own + dim);
  }
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
