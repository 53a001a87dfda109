// The mixer's core: from the in-projection's output to the gated sum over directions, or through
// the out-projection. One autograd node that keeps xz and the small projections and recomputes the
// rest, unless it is to keep more.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "src/ops/linear.h"

namespace vim::ops {

/// One direction's parameters. With `shares_projections`, the second branch of official v1,
/// everything up to (delta, B, C) is the first branch's, and only A_log and the scan direction are
/// its own.
struct Branch {
  at::Tensor conv_weight;     // (d_inner, 1, d_conv), float
  at::Tensor conv_bias;       // (d_inner), float, or undefined
  at::Tensor x_proj;          // (dt_rank + 2 d_state, d_inner), float
  at::Tensor x_proj_shadow;   // x_proj in xz's dtype, or undefined
  at::Tensor dt_proj;         // (d_inner, dt_rank), float
  at::Tensor dt_proj_shadow;  // dt_proj in xz's dtype, or undefined
  at::Tensor dt_bias;         // (d_inner), float
  at::Tensor A_log;           // (d_inner, d_state), float; A = -exp(A_log)
  at::Tensor D;               // (d_inner), float
  bool conv_reversed = false;
  bool scan_reversed = false;
  bool shares_projections = false;
};

/// Both directions' parameters in the form that the kernels and products take. In 16 bits, zeros
/// stand behind the columns of dt_proj up to padded_rank, dt_rank rounded up to a multiple of 8,
/// and as many behind x_proj's first dt_rank rows and behind its last ones: matrix products of
/// other sizes cannot load vectors. In float nothing is padded.
struct PreparedBranches {
  at::Tensor x_proj;   // (projected branches, at least padded_rank + 2 d_state, d_inner)
  at::Tensor dt_proj;  // (projected branches, d_inner, padded_rank), both in xz's dtype
  at::Tensor A;        // (branches, d_inner, d_state), float
};

/// The branches must be ones that bidirectional_mamba takes.
PreparedBranches prepare_branches(const std::vector<Branch>& branches, at::ScalarType dtype);

/// The same for layers of equal shapes, in no more launches than for one where their parameters lie
/// equally far apart in one storage.
std::vector<PreparedBranches> prepare_layers(
    const std::vector<std::vector<Branch>>& layers, at::ScalarType dtype);

struct BidirectionalMambaOptions {
  double scale = 1.0;        // 1/2 averages two directions
  bool gate_defect = false;  // the official v1 gradient: dz misses the second direction
  /// Keeps the convolutions' outputs, delta and, where the kernels can, states of the scan for the
  /// backward: more memory, less time.
  bool keeps_activations = false;
  /// Without gradients y may lie in xz, where x was: less memory. Only with an out_proj.
  bool overwrites_xz = false;
  /// Computes y of this token alone, (batch, 1, d_inner): each branch walks from its end of the
  /// sequence up to it. Only without an out_proj, for branches that convolve the way they scan.
  std::optional<int64_t> only_token{};
  Weight out_proj;            // (embed_dim, d_inner); undefined value: none
  at::Tensor gradient_mode;   // see parameter_gradient.h; undefined: kReturn
  PreparedBranches prepared;  // of the branches as they are now; undefined: made in each pass
};

/// Returns y = scale * (sum over branches of scan(conv(x))) * silu(z) as (batch, seqlen, d_inner),
/// or y out_proj^T as (batch, seqlen, embed_dim). xz: (batch, seqlen, 2 d_inner), float, bfloat16
/// or half, contiguous, x in the first half of the channels. One or two branches. y is not kept for
/// the backward. Throws c10::Error on a mismatch. Deterministic, bit for bit. Source: Vim (arXiv
/// 2401.09417), algorithm 1; vim_spec 2.3 and 2.4.
at::Tensor bidirectional_mamba(
    const at::Tensor& xz,
    const std::vector<Branch>& branches,
    const BidirectionalMambaOptions& options);

}  // namespace vim::ops
