// Fused residual add, drop-path and RMSNorm or LayerNorm over rows of `dim` channels.
//
//   v = residual + sample_mask * (x / keep)      (v = x without residual; mask and keep optional)
//   rms:   out = v / sqrt(mean(v^2) + eps) * weight
//   layer: out = (v - mean(v)) / sqrt(mean((v - mean(v))^2) + eps) * weight + bias
//
// The residual stream is always float; x and out have their own storage types. Division by keep
// comes before the mask, as in timm's DropPath. Source: vim_spec 1.4, 1.5, 4.3.
#pragma once

#include <cstddef>

#include "kernels/types.h"

namespace vim::kernels {

enum class NormKind : int32_t { kRms, kLayer };

struct AddNormParams {
  int64_t rows = 0;  // batch * seqlen
  int64_t dim = 0;
  int64_t rows_per_sample = 1;  // rows that share one entry of sample_mask
  float eps = 1e-5F;
  NormKind kind = NormKind::kRms;
  DType x_dtype = DType::kFloat32;
  DType out_dtype = DType::kFloat32;
  const void* x = nullptr;             // (rows, dim), contiguous
  const float* residual = nullptr;     // (rows, dim), or null
  const float* weight = nullptr;       // (dim)
  const float* bias = nullptr;         // (dim), or null
  const float* sample_mask = nullptr;  // (rows / rows_per_sample), 0 or 1, or null: all 1
  float keep = 1.0F;                   // 1 - drop-path rate
  void* out = nullptr;                 // (rows, dim)
  float* residual_out = nullptr;       // (rows, dim) v; null: not stored
};

/// forward.x, residual, out and residual_out are not read.
struct AddNormBackwardParams {
  AddNormParams forward;
  const float* v = nullptr;          // (rows, dim), the forward's residual_out
  const void* dout = nullptr;        // (rows, dim), forward.out_dtype
  const float* dresidual = nullptr;  // (rows, dim), gradient of residual_out, or null
  void* dx = nullptr;         // (rows, dim), forward.x_dtype: mask * dv / keep; null: not wanted
  float* dv = nullptr;        // (rows, dim), gradient of the incoming residual; null: not wanted
  float* dweight = nullptr;   // (dim), overwritten
  float* dbias = nullptr;     // (dim), or null
  void* workspace = nullptr;  // add_norm_backward_workspace_size bytes, 64-byte aligned
};

/// Rows of the entries: blocks of a fixed number of consecutive norm rows.
int64_t add_norm_num_rows(const AddNormParams& params);

void add_norm_forward(const AddNormParams& params, RowRange rows);

size_t add_norm_backward_workspace_size(const AddNormBackwardParams& params);

/// First phase: dx, dv, and per-block partial dweight and dbias into the workspace.
void add_norm_backward(const AddNormBackwardParams& params, RowRange rows);

int64_t add_norm_backward_reduce_num_rows(const AddNormBackwardParams& params);

/// Second phase: adds the partial sums in block order.
void add_norm_backward_reduce(const AddNormBackwardParams& params, RowRange rows);

}  // namespace vim::kernels
