// How the convolution's kernels divide their work, decided on the host, and the checks that both
// passes share.
//
// Both directions are written as correlations over one window. With H = taps - 1, step s looks at
// tokens s ... s + H:  o = bias + sum_j tap[j] x_{s+j}.  For a causal direction that is the output
// at token s + H (its lead is H), for a reversed one, its taps turned round, the output at token s.
// Steps -H ... seqlen - 1 give all outputs of both, and one window of x serves both.
#pragma once

#include <cstdint>

#include "kernels/causal_conv1d.h"
#include "kernels/cuda/namespace.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// Warps of a block; each walks one row, that is the steps of one chunk in one batch entry.
inline constexpr int kConvWarps = 4;
inline constexpr int kConvThreads = kConvWarps * 32;

/// Taps of the kernels that serve every width; fewer taps are masked.
inline constexpr int kAnyWidthTaps = static_cast<int>(kMaxConvWidth);

/// Division of the work; a block takes kConvWarps rows of one tile of channels.
struct ConvGrid {
  int64_t num_rows = 0;        // batch * num_chunks
  int64_t num_row_blocks = 0;  // rows in groups of kConvWarps
  int num_chunks = 0;          // of a sequence
  int chunk_steps = 0;         // of a chunk; the last one may be shorter
  int num_tiles = 0;           // 32 packs of channels each
  int tile_channels = 0;

  int64_t num_blocks() const { return num_row_blocks * num_tiles; }
};

/// Divides the steps into nearly equal chunks of about target_steps, a multiple of unroll.
ConvGrid plan_conv_grid(const ConvParams& params, int taps, int pack, int target_steps, int unroll);

/// Divides them into chunks, of whole unrolls, that promise to be the fastest where a
/// multiprocessor holds `blocks_at_once`: long ones compute less twice, but the last turn of blocks
/// must be full, too.
ConvGrid plan_fastest_conv_grid(
    const ConvParams& params, int taps, int pack, int unroll, int blocks_at_once);

/// A measure of the time that blocks walking chunks of `steps` steps take where a multiprocessor
/// holds `blocks_at_once` of them. Fitted to the backward on one H200, with and without products: a
/// chunk costs six steps beside its own, and k blocks at once on a multiprocessor take 1 + k, since
/// one leaves half of it idle.
int64_t conv_walking_time(int64_t num_blocks, int64_t steps, int blocks_at_once);

/// Throws std::invalid_argument for sizes that no kernel serves and for absent arrays.
void check_conv_sizes(const ConvParams& params);
void check_conv_forward(const ConvParams& params);
void check_conv_backward(const ConvBackwardParams& params);

/// True if x, weights and biases can be read in packs of `pack` channels.
bool conv_inputs_pack(const ConvParams& params, int pack);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
