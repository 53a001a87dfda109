// Backward of the vectorised scan. Per direction a first pass keeps the states that enter each
// chunk; then the chunks are taken from last to first, lane block by lane block, each recomputed
// and walked in reverse.
#if defined(VIM_KERNELS_SELECTIVE_SCAN_BWD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_SELECTIVE_SCAN_BWD_INL_H_
#undef VIM_KERNELS_SELECTIVE_SCAN_BWD_INL_H_
#else
#define VIM_KERNELS_SELECTIVE_SCAN_BWD_INL_H_
#endif

#include "kernels/cpu/selective_scan_bwd_states-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

/// One row of the backward: a tile of one sample, all directions.
template <typename T>
class BackwardRow {
 public:
  HWY_INLINE BackwardRow(const ScanBackwardParams& params, int64_t row)
      : params_(params),
        forward_(params.forward),
        row_(row),
        tile_(scan_tile(params.forward, row)),
        num_chunks_((params.forward.seqlen + kChunk - 1) / kChunk),
        state_size_(params.forward.d_state * kLanes),
        scratch_(params.forward) {}

  HWY_INLINE void run() const {
    for (int direction = 0; direction < forward_.num_directions; ++direction) {
      start_direction(direction);
      for (int64_t i = 0; i + 1 < num_chunks_; ++i) keep_states(direction, i);
      for (int64_t i = num_chunks_ - 1; i >= 0; --i) backpropagate_chunk(direction, i);
      for (int64_t i = 0; i < num_lane_blocks(tile_); ++i) write_channel_sums(direction, i);
    }
  }

 private:
  StepRange chunk_steps(int direction, int64_t i, int64_t next) const {
    const int64_t begin = i * kChunk;
    return {direction, begin, std::min(kChunk, forward_.seqlen - begin), next};
  }
  float* start_states(int64_t chunk, int64_t block) const {
    return scratch_.starts + (chunk * kLaneBlocks + block) * state_size_;
  }

  HWY_INLINE void start_direction(int direction) const {
    const int64_t size = kLaneBlocks * state_size_;
    std::fill(scratch_.starts, scratch_.starts + size, 0.0F);
    std::fill(scratch_.carry, scratch_.carry + size, 0.0F);
    std::fill(scratch_.dA, scratch_.dA + size, 0.0F);
    std::fill(scratch_.dD, scratch_.dD + kLaneBlocks * kLanes, 0.0F);
    std::fill(scratch_.ddelta_bias, scratch_.ddelta_bias + kLaneBlocks * kLanes, 0.0F);
    for (int64_t i = 0; i < num_lane_blocks(tile_); ++i) {
      load_A(forward_, direction, lane_block(tile_, i), scratch_.A + i * state_size_);
    }
  }

  /// The chunk without what depends on the lane block.
  HWY_INLINE ForwardChunk load_chunk(StepRange steps) const {
    const ScanDirection& in = forward_.direction[steps.direction];
    ForwardChunk chunk;
    chunk.count = steps.count;
    chunk.dt = scratch_.steps.dt;
    chunk.dtu = scratch_.steps.dtu;
    chunk.B = load_states<T>(forward_, in.B, tile_, steps, scratch_.B);
    chunk.C = load_states<T>(forward_, in.C, tile_, steps, scratch_.C);
    chunk.y_stride = in.reversed ? -kLanes : kLanes;
    return chunk;
  }

  /// First pass: the states that enter chunk i + 1.
  HWY_INLINE void keep_states(int direction, int64_t i) const {
    const StepRange steps = chunk_steps(direction, i, kChunk);
    ForwardChunk chunk = load_chunk(steps);
    for (int64_t block = 0; block < num_lane_blocks(tile_); ++block) {
      prepare_steps<T>(forward_, lane_block(tile_, block), steps, scratch_.steps);
      chunk.A = scratch_.A + block * state_size_;
      chunk.h_before = start_states(i, block);
      chunk.h_after = start_states(i + 1, block);
      advance_chunk<false>(chunk, forward_.d_state);
    }
  }

  HWY_INLINE void backpropagate_chunk(int direction, int64_t i) const {
    const StepRange steps = chunk_steps(direction, i, -kChunk);
    const int64_t first_token = walk_token(forward_, direction, steps.begin);
    ForwardChunk chunk = load_chunk(steps);
    std::fill(scratch_.dB, scratch_.dB + steps.count * state_size_, 0.0F);
    std::fill(scratch_.dC, scratch_.dC + steps.count * state_size_, 0.0F);
    for (int64_t block = 0; block < num_lane_blocks(tile_); ++block) {
      chunk.A = scratch_.A + block * state_size_;
      chunk.h_before = start_states(i, block);
      chunk.y = scratch_.y + (block * forward_.seqlen + first_token) * kLanes;
      backpropagate_block(lane_block(tile_, block), steps, chunk);
    }
    const ScanWorkspace workspace(params_);
    sum_states(steps, scratch_.dB, workspace.dB(row_, direction));
    sum_states(steps, scratch_.dC, workspace.dC(row_, direction));
  }

  HWY_INLINE void backpropagate_block(
      const LaneBlock& block, StepRange steps, const ForwardChunk& chunk) const {
    prepare_block(block, steps, chunk);
    const int64_t d_state = forward_.d_state;
    int64_t n = 0;
    for (; n + kBackwardStates <= d_state; n += kBackwardStates) {
      backpropagate_states<kBackwardStates>(chunk, n, d_state, block.index, scratch_);
    }
    for (; n < d_state; ++n) backpropagate_states<1>(chunk, n, d_state, block.index, scratch_);
    write_step_gradients(block, steps);
    if (finishes_dz(params_, steps.direction)) write_dz(block, steps, chunk);
    if (forward_.out.data != nullptr && steps.direction + 1 == forward_.num_directions) {
      write_gated_output<T>(forward_, block, steps, chunk.y, chunk.y_stride);
    }
  }

  HWY_INLINE void prepare_block(
      const LaneBlock& block, StepRange steps, const ForwardChunk& chunk) const {
    const Lanes d;
    prepare_steps<T>(forward_, block, steps, scratch_.steps);
    const Floats D = load_channels(forward_.direction[steps.direction].D, block);
    start_y(D, steps.direction == 0, steps.count, scratch_.steps.u, chunk.y, chunk.y_stride);
    const Floats scale = hn::Set(d, forward_.scale);
    const StepReader<T> dout(forward_, params_.dout, block, steps);
    if (forward_.z.data == nullptr) {
      for (int64_t i = 0; i < steps.count; ++i) {
        hn::Store(hn::Mul(scale, dout.read(i)), d, scratch_.dy + i * kLanes);
      }
    } else {
      const StepReader<T> z_reader(forward_, forward_.z, block, steps);
      for (int64_t i = 0; i < steps.count; ++i) {
        const Floats z = z_reader.read(i);
        const Floats gate = hn::Mul(z, sigmoid(d, z));
        hn::Store(hn::Mul(hn::Mul(scale, dout.read(i)), gate), d, scratch_.dy + i * kLanes);
      }
    }
    std::fill(scratch_.sum_gB, scratch_.sum_gB + steps.count * kLanes, 0.0F);
    std::fill(scratch_.sum_gAa, scratch_.sum_gAa + steps.count * kLanes, 0.0F);
  }

  /// du and ddelta of the chunk's tokens, and the channels' sums over tokens.
  HWY_INLINE void write_step_gradients(const LaneBlock& block, StepRange steps) const {
    const Lanes d;
    const ScanDirectionGrads& grads = params_.grads[steps.direction];
    const StepWriter<T> du(forward_, grads.du, block, steps);
    const StepWriter<T> ddelta_writer(forward_, grads.ddelta, block, steps);
    const Floats D = load_channels(forward_.direction[steps.direction].D, block);
    Floats dD = hn::Load(d, scratch_.dD + block.index * kLanes);
    Floats dbias = hn::Load(d, scratch_.ddelta_bias + block.index * kLanes);
    for (int64_t i = steps.count - 1; i >= 0; --i) {
      const Floats u = hn::Load(d, scratch_.steps.u + i * kLanes);
      const Floats dt = hn::Load(d, scratch_.steps.dt + i * kLanes);
      const Floats dy = hn::Load(d, scratch_.dy + i * kLanes);
      const Floats gB = hn::Load(d, scratch_.sum_gB + i * kLanes);
      const Floats gAa = hn::Mul(hn::Set(d, kLn2), hn::Load(d, scratch_.sum_gAa + i * kLanes));
      Floats ddelta = hn::MulAdd(u, gB, gAa);
      if (forward_.delta_softplus) {
        ddelta = hn::Mul(ddelta, softplus_slope(hn::Load(d, scratch_.steps.raw + i * kLanes)));
      }
      du.write(i, hn::MulAdd(D, dy, hn::Mul(dt, gB)));
      ddelta_writer.write(i, ddelta);
      dD = hn::MulAdd(dy, u, dD);
      dbias = hn::Add(dbias, ddelta);
    }
    hn::Store(dD, d, scratch_.dD + block.index * kLanes);
    hn::Store(dbias, d, scratch_.ddelta_bias + block.index * kLanes);
  }

  HWY_INLINE void write_dz(
      const LaneBlock& block, StepRange steps, const ForwardChunk& chunk) const {
    const Lanes d;
    const Floats one = hn::Set(d, 1.0F);
    const Floats scale = hn::Set(d, forward_.scale);
    const StepReader<T> z_reader(forward_, forward_.z, block, steps);
    const StepReader<T> dout(forward_, params_.dout, block, steps);
    const StepWriter<T> dz(forward_, params_.dz, block, steps);
    for (int64_t i = 0; i < steps.count; ++i) {
      const Floats z = z_reader.read(i);
      const Floats s = sigmoid(d, z);
      const Floats slope = hn::Mul(s, hn::MulAdd(z, hn::Sub(one, s), one));
      const Floats y = hn::Load(d, chunk.y + i * chunk.y_stride);
      dz.write(i, hn::Mul(hn::Mul(hn::Mul(scale, dout.read(i)), y), slope));
    }
  }

  static HWY_INLINE Floats softplus_slope(Floats raw) {
    const Lanes d;
    const auto is_linear = hn::Gt(raw, hn::Set(d, 20.0F));
    return hn::IfThenElse(is_linear, hn::Set(d, 1.0F), sigmoid(d, raw));
  }

  /// Writes the sums over lanes of a chunk's dB or dC to the row's partials, which are by token.
  HWY_INLINE void sum_states(StepRange steps, const float* vectors, float* partial) const {
    for (int64_t i = 0; i < steps.count; ++i) {
      const int64_t token = walk_token(forward_, steps.direction, steps.begin + i);
      sum_lanes(vectors + i * state_size_, forward_.d_state, partial + token * forward_.d_state);
    }
  }

  HWY_INLINE void write_channel_sums(int direction, int64_t index) const {
    const Lanes d;
    const ScanWorkspace workspace(params_);
    const LaneBlock block = lane_block(tile_, index);
    float* dA = workspace.dA(tile_.batch, direction) + block.channel * forward_.d_state;
    const float* from = scratch_.dA + index * state_size_;
    for (int64_t lane = 0; lane < block.width; ++lane) {
      for (int64_t n = 0; n < forward_.d_state; ++n) {
        dA[lane * forward_.d_state + n] = from[n * kLanes + lane];
      }
    }
    float* dD = workspace.dD(tile_.batch, direction) + block.channel;
    float* dbias = workspace.ddelta_bias(tile_.batch, direction) + block.channel;
    store_part(d, hn::Load(d, scratch_.dD + index * kLanes), dD, block.width);
    store_part(d, hn::Load(d, scratch_.ddelta_bias + index * kLanes), dbias, block.width);
  }

  const ScanBackwardParams& params_;
  const ScanParams& forward_;
  int64_t row_;
  ScanTile tile_;
  int64_t num_chunks_;
  int64_t state_size_;  // floats of one vector per state
  BackwardScratch scratch_;
};

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
