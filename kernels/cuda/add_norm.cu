// The forward of add+norm on the GPU. Rows are independent. Those of up to 1024 channels, in
// accesses of four, are held in registers by a warp or half a warp; all others are walked by a
// warp.
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/cuda/add_norm.h"
#include "kernels/cuda/add_norm_fwd.cuh"
#include "kernels/cuda/add_norm_launch.h"
#include "kernels/cuda/add_norm_wide_fwd.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

bool can_hold(const AddNormParams& params) {
  return holds_rows(
      params.dim,
      {params.x, params.residual, params.weight, params.bias, params.out, params.residual_out});
}

}  // namespace

void check_add_norm(const AddNormParams& params) {
  if (params.rows < 1 || params.dim < 1 || params.rows_per_sample < 1 || !(params.keep > 0.0F)) {
    throw std::invalid_argument(
        "add_norm: rows, dim and rows_per_sample must be at least 1 and keep above 0, got " +
        std::to_string(params.rows) + ", " + std::to_string(params.dim) + ", " +
        std::to_string(params.rows_per_sample) + ", " + std::to_string(params.keep));
  }
}

bool holds_rows(int64_t dim, std::initializer_list<const void*> arrays) {
  for (const void* array : arrays) {
    if (reinterpret_cast<uintptr_t>(array) % 16 != 0) {
      return false;
    }
  }
  return dim % kNormPack == 0 && dim <= NormTile<32, 8>::kMaxDim;
}

void add_norm_forward(const AddNormParams& params, void* stream) {
  check_add_norm(params);
  LaunchShape shape;
  shape.block = dim3(kNormThreads);
  shape.stream = static_cast<cudaStream_t>(stream);
  if (!can_hold(params)) {
    shape.grid = dim3(static_cast<unsigned>(divide_up(params.rows, kNormWarps)));
    VIM_LAUNCH(add_norm_wide_forward_kernel, shape, params);
    return;
  }
  visit_norm_tile(params.dim, [&](auto tile) {
    using Tile = decltype(tile);
    shape.grid = dim3(static_cast<unsigned>(divide_up(params.rows, Tile::kRows)));
    VIM_LAUNCH(add_norm_forward_kernel<Tile>, shape, params);
  });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
