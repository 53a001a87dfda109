// Launches of the selective-scan kernels on tensors, without autograd: what selective_scan and
// bidirectional_mamba share. Defined in selective_scan.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace vim::ops {

/// One direction's tensors. u, delta: (batch, seqlen, d_inner); B, C: (batch, seqlen, groups *
/// d_state); A: (d_inner, d_state); D, delta_bias: (d_inner), or undefined. delta is before
/// softplus. Where delta is undefined, it is dt_input dt_weight^T: (batch, seqlen, dt_rank) and
/// (d_inner, dt_rank), in u's dtype; see scan_projects_delta.
struct ScanBranch {
  at::Tensor u;
  at::Tensor delta;
  at::Tensor B;
  at::Tensor C;
  at::Tensor A;
  at::Tensor D;
  at::Tensor delta_bias;
  bool reversed = false;
  at::Tensor dt_input = {};
  at::Tensor dt_weight = {};
};

/// What all directions share. z: (batch, seqlen, d_inner), or undefined: no gate. ungated: the sum
/// over directions before gate and scale, which device kernels write forward and read backward; may
/// be undefined. kept_states: the same, see make_kept_states.
struct ScanShared {
  at::Tensor z;
  at::Tensor ungated;
  bool delta_softplus = true;
  double scale = 1.0;
  bool gate_defect = false;
  bool dA_of_log = false;  // the backward gives dA * A, the gradient of log(-A), for dA
  at::Tensor kept_states = {};
  at::Tensor out = {};         // where the forward's result goes; undefined: a new tensor
  bool sums_may_wait = false;  // dA, dD and ddelta_bias may be work for run_aside
};

/// Throws c10::Error unless the branches and the gate fit together.
void check_scan(const char* op, const std::vector<ScanBranch>& branches, const ScanShared& shared);

/// Whether scan_forward takes these branches, whose delta is undefined, as they are.
bool scan_projects_delta(const std::vector<ScanBranch>& branches, const ScanShared& shared);

/// A buffer for the states on the way that scan_forward can keep for scan_backward, which then does
/// not compute them again; undefined where the kernels keep none. Their rounding to u's dtype goes
/// into the gradients.
at::Tensor make_kept_states(const std::vector<ScanBranch>& branches, const ScanShared& shared);

/// Returns the gated, scaled sum over the branches, (batch, seqlen, d_inner). Fills last_states,
/// where given, with one (batch, d_inner, d_state) tensor per branch.
at::Tensor scan_forward(
    const std::vector<ScanBranch>& branches,
    const ScanShared& shared,
    std::vector<at::Tensor>* last_states = nullptr);

/// Gradient buffers of one direction. du, ddelta, dB and dC may be strided views that the caller
/// made; undefined ones are allocated.
struct ScanBranchGrads {
  at::Tensor du;
  at::Tensor ddelta;
  at::Tensor dB;
  at::Tensor dC;
  at::Tensor dA;
  at::Tensor dD;
  at::Tensor ddelta_bias;
};

/// Fills `grads` (one per branch) and dz, which may be a strided view and is undefined without a
/// gate. Fills `out`, where given, with the forward's result once more.
void scan_backward(
    const std::vector<ScanBranch>& branches,
    const ScanShared& shared,
    const at::Tensor& dout,
    std::vector<ScanBranchGrads>& grads,
    const at::Tensor& dz,
    const at::Tensor& out = {});

}  // namespace vim::ops
