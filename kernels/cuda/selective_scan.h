// Selective scan on the GPU: the parameters of kernels/selective_scan.h with device pointers, and a
// stream.
#pragma once

#include <cstddef>

#include "kernels/cuda/namespace.h"
#include "kernels/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Bytes of device memory, 256-byte aligned, that the forward needs as params.workspace. 0 unless
/// the sequence is cut into chunks, which depends on the sizes alone.
size_t selective_scan_forward_workspace_size(const ScanParams& params);

/// Whether the forward takes dt_input and dt_weight instead of delta: for many rows of the model's
/// own case in 16 bits with a dt_rank of 8, 16, 24 or 32. Pointers that are not set yet are taken
/// to be aligned.
bool selective_scan_projects_delta(const ScanParams& params);

/// Bytes that the forward can keep for the backward as params.kept_states, in the storage type: one
/// value for each state and each eighth token. 0 where it keeps none: for all but many rows of the
/// model's own case, or where the backward cuts the sequence. Pointers as above. The gradients then
/// carry the rounding of the kept states.
size_t selective_scan_kept_states_size(const ScanParams& params);

/// Computes out, y and last_state, whichever are there (out or y must be). Two directions must walk
/// opposite ways. stream is a cudaStream_t; nothing is synchronised. Throws std::invalid_argument
/// for impossible sizes and std::runtime_error if a launch fails. Deterministic, bit for bit.
void selective_scan_forward(const ScanParams& params, void* stream);

/// Bytes that the backward needs as params.workspace; less where params.forward.y is there.
size_t selective_scan_backward_workspace_size(const ScanBackwardParams& params);

/// The CPU entries' two phases: the gradients of all tokens and partial sums in the workspace; then
/// dA, dD and ddelta_bias, maybe on another stream. Errors and determinism as above.
void selective_scan_backward(const ScanBackwardParams& params, void* stream);
void selective_scan_backward_reduce(const ScanBackwardParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
