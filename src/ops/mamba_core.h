// The arithmetic of the mixer's core without autograd: what the node of bidirectional_mamba runs
// forward and backward. Per branch: u = conv(x), p = u x_proj^T, delta = p[:, :dt_rank] dt_proj^T,
// B and C are the next columns of p, behind the padding (see PreparedBranches); then one scan over
// all branches. What both directions have is stacked, so that each step is one launch.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "src/ops/bidirectional_mamba.h"
#include "src/ops/conv_launch.h"
#include "src/ops/scan_launch.h"

namespace vim::ops {

/// The next multiple of the columns that a 16-bit matrix product loads at once.
int64_t round_to_vectors(int64_t columns);

struct MambaCore {
  at::Tensor xz;
  std::vector<Branch> branches;
  BidirectionalMambaOptions options;
  PreparedBranches prepared;
  at::Tensor dxz{};  // where the backward writes the gradient of xz; undefined: into a new tensor

  int64_t d_inner() const { return xz.size(2) / 2; }
  int64_t d_state() const { return branches[0].A_log.size(1); }
  int64_t dt_rank() const { return branches[0].dt_proj.size(1); }
  int64_t padded_rank() const { return prepared.dt_proj.size(2); }
  at::Tensor x() const { return xz.narrow(2, 0, d_inner()); }
  at::Tensor z() const { return xz.narrow(2, d_inner(), d_inner()); }
  bool has_out_proj() const { return options.out_proj.value.defined(); }

  /// Whether zeros fill up the prepared projections.
  bool is_padded() const;

  /// Branches with a convolution and projections of their own: all, or the first alone.
  size_t num_projected() const { return branches.back().shares_projections ? 1 : branches.size(); }

  std::vector<ConvBranch> conv_branches() const;
};

/// What the backward starts from, beside xz and the parameters.
struct MambaCoreSaved {
  at::Tensor p;            // the small projections, (projected, batch, seqlen, columns)
  at::Tensor ungated;      // see ScanShared; undefined on the CPU
  at::Tensor u;            // the convolutions' outputs; undefined: computed again
  at::Tensor delta;        // of each projected branch; undefined: computed again
  at::Tensor kept_states;  // see ScanShared; undefined: computed again
};

/// Returns the node's output and fills `saved`; null: there will be no backward.
at::Tensor mamba_core_forward(const MambaCore& core, MambaCoreSaved* saved);

/// Gradients of xz, then for each branch of what it consists of, in Branch's order with undefined
/// ones for the shadows, then of out_proj and (undefined) its shadow.
std::vector<at::Tensor> mamba_core_backward(
    const MambaCore& core, const MambaCoreSaved& saved, const at::Tensor& dout);

}  // namespace vim::ops
