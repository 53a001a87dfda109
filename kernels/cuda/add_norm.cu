// Add+norm on the GPU. One warp takes one row; rows are independent. The weight gradients are
// column sums: a second kernel sums chunks of rows into partial sums, a third adds those in chunk
// order. The chunks have a fixed size and nothing is added atomically, so results do not depend on
// the device's schedule.
#include "kernels/cuda/add_norm.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "kernels/cuda/add_norm_bwd.cuh"
#include "kernels/cuda/add_norm_columns.cuh"
#include "kernels/cuda/add_norm_fwd.cuh"

namespace vim::kernels {
namespace {

constexpr size_t kSharedLimit = 48 << 10;  // what every device grants without asking

int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

void check_sizes(const AddNormParams& params) {
  if (params.rows < 1 || params.dim < 1 || params.rows_per_sample < 1 || !(params.keep > 0.0F)) {
    throw std::invalid_argument(
        "add_norm: rows, dim and rows_per_sample must be at least 1 and keep above 0, got " +
        std::to_string(params.rows) + ", " + std::to_string(params.dim) + ", " +
        std::to_string(params.rows_per_sample) + ", " + std::to_string(params.keep));
  }
}

// True if every present array can be read in packs of four: equal rows keep the alignment of the
// first.
bool can_pack(int64_t dim, std::initializer_list<const void*> arrays) {
  for (const void* array : arrays) {
    if (reinterpret_cast<uintptr_t>(array) % 16 != 0) {
      return false;
    }
  }
  return dim % 4 == 0;
}

// One warp for each row; rows_cached rows of dim floats for each warp, if they fit.
LaunchShape row_shape(const AddNormParams& params, int rows_cached, void* stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(divide_up(params.rows, kNormWarps)));
  shape.block = dim3(kNormWarps * kWarpSize);
  const size_t bytes = static_cast<size_t>(params.dim) * rows_cached * kNormWarps * sizeof(float);
  shape.shared_bytes = bytes <= kSharedLimit ? bytes : 0;
  shape.stream = static_cast<cudaStream_t>(stream);
  return shape;
}

template <typename X, typename Out>
void launch_forward(const AddNormParams& params, void* stream) {
  const LaunchShape shape = row_shape(params, 1, stream);
  const bool is_cached = shape.shared_bytes > 0;
  const bool packs = can_pack(
      params.dim,
      {params.x, params.residual, params.weight, params.bias, params.out, params.residual_out});
  if (packs) {
    VIM_LAUNCH((add_norm_forward_kernel<X, Out, 4>), shape, params, is_cached);
  } else {
    VIM_LAUNCH((add_norm_forward_kernel<X, Out, 1>), shape, params, is_cached);
  }
}

// The workspace: statistics of every row, then the partial sums.
struct BackwardWorkspace {
  NormRowStats* row_stats;
  float* partial;
  int64_t num_chunks;
  size_t bytes;
};

BackwardWorkspace plan_workspace(const AddNormBackwardParams& params) {
  const int64_t rows = params.forward.rows;
  BackwardWorkspace plan;
  plan.num_chunks = divide_up(rows, kChunkRows);
  plan.row_stats = static_cast<NormRowStats*>(params.workspace);
  const size_t stats_bytes = static_cast<size_t>(rows) * sizeof(NormRowStats);
  const size_t partial_bytes = static_cast<size_t>(plan.num_chunks * 2 * params.forward.dim) * 4;
  plan.partial = reinterpret_cast<float*>(static_cast<char*>(params.workspace) + stats_bytes);
  plan.bytes = stats_bytes + partial_bytes;
  return plan;
}

template <typename X, typename Out>
void launch_input_grads(
    const AddNormBackwardParams& params, const BackwardWorkspace& plan, void* stream) {
  const LaunchShape shape = row_shape(params.forward, 2, stream);
  const bool is_cached = shape.shared_bytes > 0;
  const bool packs = can_pack(
      params.forward.dim,
      {params.v, params.dout, params.dresidual, params.dx, params.dv, params.forward.weight});
  if (packs) {
    VIM_LAUNCH((add_norm_backward_kernel<X, Out, 4>), shape, params, plan.row_stats, is_cached);
  } else {
    VIM_LAUNCH((add_norm_backward_kernel<X, Out, 1>), shape, params, plan.row_stats, is_cached);
  }
}

template <typename Out>
void launch_weight_grads(
    const AddNormBackwardParams& params, const BackwardWorkspace& plan, void* stream) {
  const int64_t dim = params.forward.dim;
  LaunchShape shape;
  shape.stream = static_cast<cudaStream_t>(stream);
  shape.grid = dim3(
      static_cast<unsigned>(plan.num_chunks), static_cast<unsigned>(divide_up(dim, kWarpSize)));
  shape.block = dim3(kColumnWarps * kWarpSize);
  VIM_LAUNCH((add_norm_column_sums_kernel<Out>), shape, params, plan.row_stats, plan.partial);
  shape.grid = dim3(static_cast<unsigned>(divide_up(dim, kWarpSize)), 2);
  shape.block = dim3(kWarpSize);
  VIM_LAUNCH(add_norm_reduce_kernel, shape, params, plan.partial, plan.num_chunks);
}

}  // namespace

void add_norm_forward_cuda(const AddNormParams& params, void* stream) {
  check_sizes(params);
  visit_dtype(params.x_dtype, [&](auto x_tag) {
    visit_dtype(params.out_dtype, [&](auto out_tag) {
      launch_forward<decltype(x_tag), decltype(out_tag)>(params, stream);
    });
  });
}

size_t add_norm_backward_workspace_size_cuda(const AddNormBackwardParams& params) {
  return plan_workspace(params).bytes;
}

void add_norm_backward_cuda(const AddNormBackwardParams& params, void* stream) {
  check_sizes(params.forward);
  const BackwardWorkspace plan = plan_workspace(params);
  visit_dtype(params.forward.out_dtype, [&](auto out_tag) {
    using Out = decltype(out_tag);
    visit_dtype(params.forward.x_dtype, [&](auto x_tag) {
      launch_input_grads<decltype(x_tag), Out>(params, plan, stream);
    });
    if (params.dweight != nullptr || params.dbias != nullptr) {
      launch_weight_grads<Out>(params, plan, stream);
    }
  });
}

}  // namespace vim::kernels
