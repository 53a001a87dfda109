// The backward of add+norm on the GPU: one kernel over chunks of rows, which leaves partial sums of
// the weight gradients, and one that adds those. Rows that registers cannot hold take three: the
// input gradients, then the partial sums by columns.
#include <cuda_runtime.h>

#include "kernels/cuda/add_norm.h"
#include "kernels/cuda/add_norm_bwd.cuh"
#include "kernels/cuda/add_norm_launch.h"
#include "kernels/cuda/add_norm_wide_bwd.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

// The workspace: the partial sums, (chunks, 2, dim), then the statistics of every row, which only
// the wide kernels need.
struct BackwardPlan {
  int64_t num_chunks;
  int chunk_rows;
  float* partial;
  NormRowStats* row_stats;
  size_t bytes;
};

BackwardPlan plan_backward(const AddNormBackwardParams& params) {
  BackwardPlan plan;
  const bool has_few_rows = params.forward.rows <= kNormFewRows;
  plan.chunk_rows = has_few_rows ? kNormShortChunkRows : kNormChunkRows;
  plan.num_chunks = divide_up(params.forward.rows, plan.chunk_rows);
  const int64_t num_sums = plan.num_chunks * 2 * params.forward.dim;
  plan.partial = static_cast<float*>(params.workspace);
  const size_t partial_bytes = static_cast<size_t>(num_sums) * sizeof(float);
  plan.row_stats =
      reinterpret_cast<NormRowStats*>(static_cast<char*>(params.workspace) + partial_bytes);
  plan.bytes = partial_bytes + static_cast<size_t>(params.forward.rows) * sizeof(NormRowStats);
  return plan;
}

LaunchShape make_shape(int64_t blocks, int threads, size_t shared_bytes, void* stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks));
  shape.block = dim3(static_cast<unsigned>(threads));
  shape.shared_bytes = shared_bytes;
  shape.stream = static_cast<cudaStream_t>(stream);
  return shape;
}

void launch_held(const AddNormBackwardParams& params, const BackwardPlan& plan, void* stream) {
  const int64_t dim = params.forward.dim;
  const size_t shared_bytes = static_cast<size_t>(kNormWarps * dim) * sizeof(float);
  const LaunchShape shape = make_shape(plan.num_chunks, kNormThreads, shared_bytes, stream);
  visit_norm_tile(dim, [&](auto tile) {
    using Tile = decltype(tile);
    if (params.dbias != nullptr) {
      VIM_LAUNCH(
          (add_norm_backward_kernel<Tile, true>), shape, params, plan.chunk_rows, plan.partial);
    } else {
      VIM_LAUNCH(
          (add_norm_backward_kernel<Tile, false>), shape, params, plan.chunk_rows, plan.partial);
    }
  });
}

void launch_wide(const AddNormBackwardParams& params, const BackwardPlan& plan, void* stream) {
  const int64_t row_blocks = divide_up(params.forward.rows, kNormWarps);
  LaunchShape shape = make_shape(row_blocks, kNormThreads, 0, stream);
  VIM_LAUNCH(add_norm_wide_backward_kernel, shape, params, plan.row_stats);
  shape = make_shape(plan.num_chunks, kColumnWarps * kWarpSize, sizeof(ColumnShared), stream);
  shape.grid.y = static_cast<unsigned>(divide_up(params.forward.dim, kWarpSize));
  VIM_LAUNCH(
      add_norm_column_sums_kernel, shape, params, plan.row_stats, plan.chunk_rows, plan.partial);
}

void launch_rows(const AddNormBackwardParams& params, const BackwardPlan& plan, void* stream) {
  const bool is_held = holds_rows(
      params.forward.dim,
      {params.v, params.dout, params.dresidual, params.dx, params.dv, params.forward.weight});
  if (is_held) {
    launch_held(params, plan, stream);
  } else {
    launch_wide(params, plan, stream);
  }
}

}  // namespace

size_t add_norm_backward_workspace_size(const AddNormBackwardParams& params) {
  return plan_backward(params).bytes;
}

void add_norm_backward(const AddNormBackwardParams& params, void* stream) {
  check_add_norm(params.forward);
  launch_rows(params, plan_backward(params), stream);
}

void add_norm_backward_reduce(const AddNormBackwardParams& params, void* stream) {
  check_add_norm(params.forward);
  const BackwardPlan plan = plan_backward(params);
  if (params.dweight == nullptr && params.dbias == nullptr) {
    return;
  }
  const int64_t tiles = divide_up(params.forward.dim, kWarpSize);
  LaunchShape shape = make_shape(tiles, kReduceWarps * kWarpSize, sizeof(ReduceShared), stream);
  shape.grid.y = params.dbias == nullptr ? 1 : 2;
  VIM_LAUNCH(add_norm_reduce_kernel, shape, params, plan.partial, plan.num_chunks);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
