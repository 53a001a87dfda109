// The division of the convolution's work and its checks. The library links nothing of the CPU
// kernels, so its refusals are its own.
#include "kernels/cuda/causal_conv1d_plan.h"

#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/cuda/plan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
constexpr int64_t kMaxExtent = int64_t{1} << 30;  // tokens and channels are counted in 32 bits

void check_between(const char* what, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) {
    throw std::invalid_argument(
        std::string(what) + " must be from " + std::to_string(low) + " to " + std::to_string(high) +
        ", got " + std::to_string(value));
  }
}

void check_present(const char* what, const void* pointer) {
  if (pointer == nullptr) {
    throw std::invalid_argument(std::string(what) + " is null");
  }
}

// Kernels step from token to token with 32-bit strides.
void check_stride(int64_t token_stride) {
  check_between("causal_conv1d: token stride", token_stride, 0, kMaxExtent);
}

// Chunks of `steps` steps at most; the number of blocks is not checked.
ConvGrid divide_steps(const ConvParams& params, int taps, int pack, int64_t steps) {
  const int64_t all_steps = params.seqlen + taps - 1;
  ConvGrid grid;
  grid.chunk_steps = static_cast<int>(steps);
  grid.num_chunks = static_cast<int>(divide_up(all_steps, steps));
  grid.num_rows = params.batch * grid.num_chunks;
  grid.num_row_blocks = divide_up(grid.num_rows, kConvWarps);
  grid.tile_channels = 32 * pack;
  grid.num_tiles = static_cast<int>(divide_up(params.channels, grid.tile_channels));
  return grid;
}

ConvGrid checked(const ConvGrid& grid) {
  check_between("causal_conv1d: number of blocks", grid.num_blocks(), 1, (int64_t{1} << 31) - 1);
  return grid;
}

}  // namespace

ConvGrid plan_conv_grid(
    const ConvParams& params, int taps, int pack, int target_steps, int unroll) {
  const int64_t all_steps = params.seqlen + taps - 1;
  const int64_t even = divide_up(all_steps, divide_up(all_steps, target_steps));
  return checked(divide_steps(params, taps, pack, divide_up(even, unroll) * unroll));
}

ConvGrid plan_fastest_conv_grid(
    const ConvParams& params, int taps, int pack, int unroll, int blocks_at_once) {
  constexpr int kLongestChunk = 256;
  ConvGrid fastest;
  int64_t least_time = kUnlimited;
  for (int steps = kLongestChunk / unroll * unroll; steps > 0; steps -= unroll) {
    const ConvGrid grid = divide_steps(params, taps, pack, steps);
    const int64_t time = conv_walking_time(grid.num_blocks(), grid.chunk_steps, blocks_at_once);
    if (time < least_time) {
      least_time = time;
      fastest = grid;
    }
  }
  return checked(fastest);
}

int64_t conv_walking_time(int64_t num_blocks, int64_t steps, int blocks_at_once) {
  constexpr int64_t kMultiprocessors = 132;
  constexpr int64_t kStepsOfChunk = 6;
  const int64_t blocks = divide_up(num_blocks, kMultiprocessors);
  const int64_t last_turn = blocks % blocks_at_once;
  const int64_t turns =
      blocks / blocks_at_once * (1 + blocks_at_once) + (last_turn > 0 ? 1 + last_turn : 0);
  return (steps + kStepsOfChunk) * turns;
}

void check_conv_sizes(const ConvParams& params) {
  check_between("causal_conv1d: batch", params.batch, 1, kUnlimited);
  check_between("causal_conv1d: seqlen", params.seqlen, 1, kMaxExtent);
  check_between("causal_conv1d: channels", params.channels, 1, kMaxExtent);
  check_between("causal_conv1d: width", params.width, 1, kMaxConvWidth);
  check_between("causal_conv1d: num_directions", params.num_directions, 1, kMaxDirections);
}

void check_conv_forward(const ConvParams& params) {
  check_conv_sizes(params);
  check_present("causal_conv1d: x", params.x.data);
  check_stride(params.x.token_stride);
  for (int i = 0; i < params.num_directions; ++i) {
    check_present("causal_conv1d: weight", params.direction[i].weight);
    check_present("causal_conv1d: out", params.direction[i].out.data);
    check_stride(params.direction[i].out.token_stride);
    check_stride(params.direction[i].projected.token_stride);
  }
}

void check_conv_backward(const ConvBackwardParams& params) {
  check_conv_sizes(params.forward);
  check_present("causal_conv1d: x", params.forward.x.data);
  check_present("causal_conv1d: dx", params.dx.data);
  check_present("causal_conv1d: workspace", params.workspace);
  check_stride(params.forward.x.token_stride);
  check_stride(params.dx.token_stride);
  for (int i = 0; i < params.forward.num_directions; ++i) {
    check_present("causal_conv1d: weight", params.forward.direction[i].weight);
    check_present("causal_conv1d: dout", params.dout[i].data);
    check_stride(params.dout[i].token_stride);
  }
}

bool conv_inputs_pack(const ConvParams& params, int pack) {
  bool packs = params.channels % pack == 0 && fits_packs(params.x, params.dtype, pack);
  for (int i = 0; i < params.num_directions; ++i) {
    const int64_t bytes = pack * static_cast<int64_t>(sizeof(float));
    packs = packs && is_aligned(params.direction[i].weight, bytes) &&
            is_aligned(params.direction[i].bias, bytes);
  }
  return packs;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
