// Selective scan over channel-last tokens, in one or both directions at once (Gu & Dao 2023,
// section 3; Vim 2401.09417, section 3.3). Per direction i, batch b, channel c and state n, walking
// t upwards, or downwards where `reversed`:
//
//   d_t = delta_t + delta_bias            dt_t = softplus(d_t), or d_t without delta_softplus
//   h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t,   h before the first token walked is 0
//   y_t = sum_n C_t h_t + D u_t
//   out = scale * (sum over directions of y) * silu(z)       (silu(z) = 1 where z is absent)
//
// softplus(x) = log(1 + exp(x)) up to and including 20 and x above, as the official kernels have
// it; its derivative is sigmoid(x), or 1 above 20. Channel c uses group c / (d_inner / groups) of B
// and C.
#pragma once

#include <cstddef>

#include "kernels/types.h"

namespace vim::kernels {

/// The largest d_state.
inline constexpr int64_t kMaxScanStates = 256;

/// Inputs of one direction. u, delta: (batch, seqlen, d_inner); B, C: (batch, seqlen, groups *
/// d_state).
struct ScanDirection {
  TokenView u;
  TokenView delta;
  TokenView B;
  TokenView C;
  const float* A = nullptr;           // (d_inner, d_state)
  const float* D = nullptr;           // (d_inner), or null
  const float* delta_bias = nullptr;  // (d_inner), or null
  /// GPU only, instead of delta: delta = dt_input dt_weight^T, rounded to the storage type. Only
  /// where selective_scan_projects_delta() says so. dt_input: (batch, seqlen, dt_rank); dt_weight:
  /// (d_inner, dt_rank), in the storage type.
  TokenView dt_input;
  const void* dt_weight = nullptr;
  float* last_state = nullptr;  // out, (batch, d_inner, d_state), or null
  bool reversed = false;
};

struct ScanParams {
  int64_t batch = 0;
  int64_t seqlen = 0;
  int64_t d_inner = 0;
  int64_t d_state = 0;
  int64_t groups = 1;
  int64_t dt_rank = 0;            // of the directions' dt_input; 0 where delta is given
  DType dtype = DType::kFloat32;  // of every TokenView
  bool delta_softplus = true;
  float scale = 1.0F;
  int num_directions = 1;
  ScanDirection direction[kMaxDirections];
  TokenView z;  // (batch, seqlen, d_inner), or absent
  MutableTokenView out;
  /// GPU only, optional: the sum over directions of y, before gate and scale. The forward writes
  /// it, the backward reads it instead of computing it again. The CPU kernels leave it alone.
  MutableTokenView y;
  /// GPU only, optional: selective_scan_kept_states_size bytes for states on the way. The forward
  /// writes them, the backward reads them instead of walking to them again.
  void* kept_states = nullptr;
  void* workspace = nullptr;  // GPU only: selective_scan_forward_workspace_size bytes
};

/// Gradients of one direction's inputs; dA, dD, ddelta_bias are float, shaped like their inputs.
/// dD and ddelta_bias may be null. Everything is overwritten, nothing accumulated.
struct ScanDirectionGrads {
  MutableTokenView du;
  MutableTokenView ddelta;
  MutableTokenView dB;
  MutableTokenView dC;
  float* dA = nullptr;
  float* dD = nullptr;
  float* ddelta_bias = nullptr;
};

struct ScanBackwardParams {
  ScanParams forward;   // forward.out may be set: the gated output is then written again
  TokenView dout;       // (batch, seqlen, d_inner)
  MutableTokenView dz;  // absent where z is
  ScanDirectionGrads grads[kMaxDirections];
  /// dA receives dA * A, the gradient of log(-A), which is what the model trains.
  bool dA_of_log = false;
  /// The official v1 backward loses the gate gradient of the second direction: dz then sees only y
  /// of direction 0. False gives the true gradient.
  bool gate_defect = false;
  /// GPU only: in float, too, dB and dC may be sums of factors of 10 mantissa bits, cut off, as
  /// they always are in 16 bits.
  bool tf32_sums = false;
  void* workspace = nullptr;  // selective_scan_backward_workspace_size bytes, 64-byte aligned
};

/// Rows that the forward entry splits into: (batch, channel tile) pairs, batch-major. The tile is a
/// fixed number of channels, so results never depend on how many threads share the rows.
int64_t selective_scan_num_rows(const ScanParams& params);

/// Computes out (and last_state) for rows [rows.begin, rows.end). Safe to call from several threads
/// on disjoint ranges. Needs no workspace from the caller.
void selective_scan_forward(const ScanParams& params, RowRange rows);

/// Bytes of workspace that the backward entries share over all rows.
size_t selective_scan_backward_workspace_size(const ScanBackwardParams& params);

/// First phase: du, ddelta, dz for the given rows, and per-row partial sums of dA, dB, dC, dD and
/// ddelta_bias into the workspace. The forward is recomputed; nothing but the inputs need be kept.
void selective_scan_backward(const ScanBackwardParams& params, RowRange rows);

/// Rows of the second phase.
int64_t selective_scan_backward_reduce_num_rows(const ScanBackwardParams& params);

/// Second phase, after all rows of the first: adds the partial sums in a fixed order into dA, dB,
/// dC, dD and ddelta_bias.
void selective_scan_backward_reduce(const ScanBackwardParams& params, RowRange rows);

}  // namespace vim::kernels
