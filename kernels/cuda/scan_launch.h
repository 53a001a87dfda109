// What the launches of the scan's forward and backward share: checks, the cut into chunks, the
// state that enters each chunk.
#pragma once

#include <cstddef>

#include "kernels/cuda/namespace.h"
#include "kernels/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Throws std::invalid_argument for sizes or directions that the kernels do not take.
void check_scan(const ScanParams& params);

/// Whether the forward takes a lane a channel over whole sequences: the form that keeps states and
/// can make delta.
bool scan_forward_takes_lanes(const ScanParams& params);

/// Floats that the states and the sums of dt of a cut into chunks of `chunk` tokens take.
int64_t scan_split_floats(const ScanParams& params, int64_t chunk);

/// Fills `floats` (scan_split_floats of them) with the state that enters each chunk: (directions,
/// batch, chunks, d_inner, d_state).
void scan_chunk_states(const ScanParams& params, int64_t chunk, float* floats, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
