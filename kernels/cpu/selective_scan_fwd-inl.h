// Forward of the vectorised scan: a row is walked direction by direction, chunk by chunk, and
// within a chunk lane block by lane block. There a few states at a time stay in registers while the
// time loop runs.
#if defined(VIM_KERNELS_SELECTIVE_SCAN_FWD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_SELECTIVE_SCAN_FWD_INL_H_
#undef VIM_KERNELS_SELECTIVE_SCAN_FWD_INL_H_
#else
#define VIM_KERNELS_SELECTIVE_SCAN_FWD_INL_H_
#endif

#include "kernels/cpu/selective_scan_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

// States held in registers at once, twice (h and A), beside the constants of vector_exp2.
inline constexpr int kForwardStates = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3 ? 8 : 4;

/// One chunk of one direction and lane block, as the state loop sees it.
struct ForwardChunk {
  int64_t count = 0;
  const float* dt = nullptr;   // by step
  const float* dtu = nullptr;  // by step
  StateRows B;
  StateRows C;
  const float* A = nullptr;         // by state, times log2(e)
  const float* h_before = nullptr;  // by state
  float* h_after = nullptr;         // by state; may be h_before
  float* y = nullptr;               // by token: C h is added; null: y is not wanted
  int64_t y_stride = 0;             // floats from one step to the next
};

// The loops below copy what they need of a chunk to locals: vector stores may alias anything, so
// the compiler would load the members again in every step.
template <int kStates, bool kHasY>
HWY_NOINLINE void advance_states(const ForwardChunk& chunk, int64_t first) {
  const Lanes d;
  Floats A[kStates];
  Floats h[kStates];
  HWY_UNROLL(8)
  for (int k = 0; k < kStates; ++k) {
    A[k] = hn::Load(d, chunk.A + (first + k) * kLanes);
    h[k] = hn::Load(d, chunk.h_before + (first + k) * kLanes);
  }
  const float* dt_steps = chunk.dt;
  const float* dtu_steps = chunk.dtu;
  StateRows B = chunk.B.from(first);
  StateRows C = chunk.C.from(first);
  float* y = chunk.y;
  const int64_t y_stride = chunk.y_stride;
  const int64_t end = chunk.count * kLanes;
  for (int64_t i = 0; i < end; i += kLanes) {
    const Floats dt = hn::Load(d, dt_steps + i);
    const Floats dtu = hn::Load(d, dtu_steps + i);
    Floats sum = kHasY ? hn::Load(d, y) : hn::Zero(d);
    HWY_UNROLL(8)
    for (int k = 0; k < kStates; ++k) {
      const Floats a = vector_exp2(hn::Mul(dt, A[k]));
      h[k] = hn::MulAdd(a, h[k], hn::Mul(dtu, hn::Set(d, B.data[k])));
      if constexpr (kHasY) sum = hn::MulAdd(h[k], hn::Set(d, C.data[k]), sum);
    }
    if constexpr (kHasY) {
      hn::Store(sum, d, y);
      y += y_stride;
      C.data += C.stride;
    }
    B.data += B.stride;
  }
  HWY_UNROLL(8)
  for (int k = 0; k < kStates; ++k) hn::Store(h[k], d, chunk.h_after + (first + k) * kLanes);
}

/// Advances all states over the chunk.
template <bool kHasY>
HWY_INLINE void advance_chunk(const ForwardChunk& chunk, int64_t d_state) {
  int64_t n = 0;
  for (; n + kForwardStates <= d_state; n += kForwardStates) {
    advance_states<kForwardStates, kHasY>(chunk, n);
  }
  for (; n + 2 <= d_state; n += 2) advance_states<2, kHasY>(chunk, n);
  for (; n < d_state; ++n) advance_states<1, kHasY>(chunk, n);
}

/// y of a chunk's tokens starts as D u, on top of what the directions before have added.
HWY_INLINE void start_y(
    Floats D, bool is_first, int64_t count, const float* u, float* y, int64_t y_stride) {
  const Lanes d;
  for (int64_t i = 0; i < count; ++i) {
    const Floats before = is_first ? hn::Zero(d) : hn::Load(d, y + i * y_stride);
    hn::Store(hn::MulAdd(D, hn::Load(d, u + i * kLanes), before), d, y + i * y_stride);
  }
}

/// out = scale * y * silu(z) for a chunk; y by token, `y_stride` floats from one step to the next.
template <typename T>
HWY_INLINE void write_gated_output(
    const ScanParams& params,
    const LaneBlock& block,
    StepRange steps,
    const float* y,
    int64_t y_stride) {
  const Lanes d;
  const Floats scale = hn::Set(d, params.scale);
  const StepWriter<T> out(params, params.out, block, steps);
  if (params.z.data == nullptr) {
    for (int64_t i = 0; i < steps.count; ++i) {
      out.write(i, hn::Mul(scale, hn::Load(d, y + i * y_stride)));
    }
    return;
  }
  const StepReader<T> z_reader(params, params.z, block, steps);
  for (int64_t i = 0; i < steps.count; ++i) {
    const Floats z = z_reader.read(i);
    const Floats gate = hn::Mul(z, sigmoid(d, z));
    out.write(i, hn::Mul(hn::Mul(scale, hn::Load(d, y + i * y_stride)), gate));
  }
}

inline void write_last_state(
    const ScanParams& params, int direction, const LaneBlock& block, const float* h) {
  float* last_state = params.direction[direction].last_state;
  if (last_state == nullptr) return;
  float* out = last_state + (block.batch * params.d_inner + block.channel) * params.d_state;
  for (int64_t lane = 0; lane < block.width; ++lane) {
    for (int64_t n = 0; n < params.d_state; ++n) {
      out[lane * params.d_state + n] = h[n * kLanes + lane];
    }
  }
}

/// The forward's scratch, carved from the thread's buffer.
struct ForwardScratch {
  float* y;  // (kLaneBlocks, seqlen)
  float* A;  // (kLaneBlocks, d_state), times log2(e)
  float* h;  // (kLaneBlocks, d_state)
  StepVectors steps;
  float* B;  // (kChunk, d_state), no vectors
  float* C;  // (kChunk, d_state), no vectors

  explicit ForwardScratch(const ScanParams& params) {
    const int64_t by_token = kLaneBlocks * params.seqlen * kLanes;
    const int64_t by_state = kLaneBlocks * params.d_state * kLanes;
    const int64_t by_step = kChunk * kLanes;
    const int64_t rows = kChunk * params.d_state;
    y = scan_scratch(by_token + 2 * by_state + 4 * by_step + 2 * rows);
    A = y + by_token;
    h = A + by_state;
    steps.u = h + by_state;
    steps.raw = steps.u + by_step;
    steps.dt = steps.raw + by_step;
    steps.dtu = steps.dt + by_step;
    B = steps.dtu + by_step;
    C = B + rows;
  }
};

/// One row of the forward: a tile of one sample, all directions.
template <typename T>
class ForwardRow {
 public:
  HWY_INLINE ForwardRow(const ScanParams& params, int64_t row)
      : params_(params),
        tile_(scan_tile(params, row)),
        state_size_(params.d_state * kLanes),
        scratch_(params) {}

  HWY_INLINE void run() const {
    for (int direction = 0; direction < params_.num_directions; ++direction) walk(direction);
  }

 private:
  HWY_INLINE void walk(int direction) const {
    std::fill(scratch_.h, scratch_.h + kLaneBlocks * state_size_, 0.0F);
    for (int64_t i = 0; i < num_lane_blocks(tile_); ++i) {
      load_A(params_, direction, lane_block(tile_, i), scratch_.A + i * state_size_);
    }
    for (int64_t begin = 0; begin < params_.seqlen; begin += kChunk) {
      walk_chunk({direction, begin, std::min(kChunk, params_.seqlen - begin), kChunk});
    }
    for (int64_t i = 0; i < num_lane_blocks(tile_); ++i) {
      write_last_state(params_, direction, lane_block(tile_, i), scratch_.h + i * state_size_);
    }
  }

  HWY_INLINE void walk_chunk(StepRange steps) const {
    const ScanDirection& in = params_.direction[steps.direction];
    ForwardChunk chunk;
    chunk.count = steps.count;
    chunk.dt = scratch_.steps.dt;
    chunk.dtu = scratch_.steps.dtu;
    chunk.B = load_states<T>(params_, in.B, tile_, steps, scratch_.B);
    chunk.C = load_states<T>(params_, in.C, tile_, steps, scratch_.C);
    chunk.y_stride = in.reversed ? -kLanes : kLanes;
    const int64_t first_token = walk_token(params_, steps.direction, steps.begin);
    for (int64_t i = 0; i < num_lane_blocks(tile_); ++i) {
      chunk.A = scratch_.A + i * state_size_;
      chunk.h_before = chunk.h_after = scratch_.h + i * state_size_;
      chunk.y = scratch_.y + (i * params_.seqlen + first_token) * kLanes;
      walk_block(lane_block(tile_, i), steps, chunk);
    }
  }

  HWY_INLINE void walk_block(
      const LaneBlock& block, StepRange steps, const ForwardChunk& chunk) const {
    prepare_steps<T>(params_, block, steps, scratch_.steps);
    const Floats D = load_channels(params_.direction[steps.direction].D, block);
    start_y(D, steps.direction == 0, steps.count, scratch_.steps.u, chunk.y, chunk.y_stride);
    advance_chunk<true>(chunk, params_.d_state);
    if (steps.direction + 1 == params_.num_directions) {
      write_gated_output<T>(params_, block, steps, chunk.y, chunk.y_stride);
    }
  }

  const ScanParams& params_;
  ScanTile tile_;
  int64_t state_size_;  // floats of one vector per state
  ForwardScratch scratch_;
};

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
