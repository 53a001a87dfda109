// Front of add+norm: checks, dispatch, and the second phase of the backward, which is too small to
// have versions.
#include "kernels/add_norm.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/cpu/add_norm_impl.h"
#include "kernels/cpu/backend_state.h"
#include "kernels/cpu/check.h"

namespace vim::kernels {
namespace {

void check_sizes(const AddNormParams& params) {
  check_between("add_norm: rows", params.rows, 1, kUnlimited);
  check_between("add_norm: dim", params.dim, 1, kUnlimited);
  check_between("add_norm: rows_per_sample", params.rows_per_sample, 1, kUnlimited);
  check_present("add_norm: weight", params.weight);
  if (!(params.keep > 0.0F)) {
    throw std::invalid_argument(
        "add_norm: keep must be above 0, got " + std::to_string(params.keep));
  }
}

void check_forward(const AddNormParams& params, RowRange rows) {
  check_sizes(params);
  check_rows("add_norm_forward", rows, add_norm_num_rows(params));
  check_present("add_norm: x", params.x);
  check_present("add_norm: out", params.out);
}

void check_backward(const AddNormBackwardParams& params, RowRange rows) {
  check_sizes(params.forward);
  check_rows("add_norm_backward", rows, add_norm_num_rows(params.forward));
  check_present("add_norm: v", params.v);
  check_present("add_norm: dout", params.dout);
  check_present("add_norm: workspace", params.workspace);
}

// Adds channels [begin, end) of every block's partial sums, in double and in block order.
void reduce_tile(const AddNormBackwardParams& params, int64_t begin, int64_t end) {
  const int64_t dim = params.forward.dim;
  double weight_sums[kNormReduceTile] = {};
  double bias_sums[kNormReduceTile] = {};
  for (int64_t block = 0; block < add_norm_num_rows(params.forward); ++block) {
    const float* partial = norm_partial(params, block) + begin;
    for (int64_t c = 0; c < end - begin; ++c) {
      weight_sums[c] += partial[c];
      bias_sums[c] += partial[dim + c];
    }
  }
  for (int64_t c = begin; c < end; ++c) {
    if (params.dweight != nullptr) {
      params.dweight[c] = static_cast<float>(weight_sums[c - begin]);
    }
    if (params.dbias != nullptr) {
      params.dbias[c] = static_cast<float>(bias_sums[c - begin]);
    }
  }
}

}  // namespace

int64_t add_norm_num_rows(const AddNormParams& params) {
  return (params.rows + kNormBlock - 1) / kNormBlock;
}

void add_norm_forward(const AddNormParams& params, RowRange rows) {
  check_forward(params, rows);
  if (scalar_backend_selected()) {
    scalar::add_norm_forward(params, rows);
  } else {
    simd::add_norm_forward(params, rows);
  }
}

size_t add_norm_backward_workspace_size(const AddNormBackwardParams& params) {
  const int64_t floats = add_norm_num_rows(params.forward) * 2 * params.forward.dim;
  return static_cast<size_t>(floats) * sizeof(float);
}

void add_norm_backward(const AddNormBackwardParams& params, RowRange rows) {
  check_backward(params, rows);
  if (scalar_backend_selected()) {
    scalar::add_norm_backward(params, rows);
  } else {
    simd::add_norm_backward(params, rows);
  }
}

int64_t add_norm_backward_reduce_num_rows(const AddNormBackwardParams& params) {
  return (params.forward.dim + kNormReduceTile - 1) / kNormReduceTile;
}

void add_norm_backward_reduce(const AddNormBackwardParams& params, RowRange rows) {
  check_sizes(params.forward);
  check_rows("add_norm_backward_reduce", rows, add_norm_backward_reduce_num_rows(params));
  check_present("add_norm: workspace", params.workspace);
  for (int64_t tile = rows.begin; tile < rows.end; ++tile) {
    const int64_t begin = tile * kNormReduceTile;
    reduce_tile(params, begin, std::min(begin + kNormReduceTile, params.forward.dim));
  }
}

}  // namespace vim::kernels
