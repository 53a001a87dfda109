// State loops of the vectorised scan's backward: a few states of one chunk and lane block at a
// time. Their states and decays are recomputed into scratch, then the reverse walk runs over them.
// dB and dC gather as vectors, over the lane blocks of the tile, and are summed over lanes once per
// chunk.
#if defined(VIM_KERNELS_SELECTIVE_SCAN_BWD_STATES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_SELECTIVE_SCAN_BWD_STATES_INL_H_
#undef VIM_KERNELS_SELECTIVE_SCAN_BWD_STATES_INL_H_
#else
#define VIM_KERNELS_SELECTIVE_SCAN_BWD_STATES_INL_H_
#endif

#include "kernels/cpu/selective_scan_fwd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

inline constexpr int kBackwardStates = 4;

/// The backward's scratch, carved from the thread's buffer. "Blocks" are the tile's lane blocks.
struct BackwardScratch {
  float* y;            // (kLaneBlocks, seqlen)
  float* A;            // (kLaneBlocks, d_state), times log2(e)
  float* starts;       // (chunks, kLaneBlocks, d_state): the states that enter each chunk
  float* carry;        // (kLaneBlocks, d_state): exp(dt A) g of the step after
  float* dA;           // (kLaneBlocks, d_state)
  float* dD;           // (kLaneBlocks)
  float* ddelta_bias;  // (kLaneBlocks)
  StepVectors steps;
  float* dy;       // by step
  float* sum_gB;   // by step: sum over n of g B
  float* sum_gAa;  // by step: sum over n of g A exp(dt A) h_before, A times log2(e)
  float* h;        // (kChunk + 1, kBackwardStates)
  float* a;        // (kChunk, kBackwardStates)
  float* dB;       // (kChunk, d_state)
  float* dC;       // (kChunk, d_state)
  float* B;        // (kChunk, d_state), no vectors
  float* C;        // (kChunk, d_state), no vectors

  explicit BackwardScratch(const ScanParams& params) {
    float* base = nullptr;
    base = scan_scratch(carve(params, base));
    carve(params, base);
  }

  /// Sets the pointers into a buffer at `base`; returns its length in floats.
  int64_t carve(const ScanParams& params, float* base) {
    const int64_t states = params.d_state * kLanes;
    const int64_t by_step = kChunk * kLanes;
    const int64_t chunks = (params.seqlen + kChunk - 1) / kChunk;
    int64_t length = 0;
    const auto take = [&length, base](int64_t count) {
      float* const taken = base == nullptr ? nullptr : base + length;
      length += (count + 15) / 16 * 16;  // 64-byte alignment
      return taken;
    };
    y = take(kLaneBlocks * params.seqlen * kLanes);
    A = take(kLaneBlocks * states);
    starts = take(chunks * kLaneBlocks * states);
    carry = take(kLaneBlocks * states);
    dA = take(kLaneBlocks * states);
    dD = take(kLaneBlocks * kLanes);
    ddelta_bias = take(kLaneBlocks * kLanes);
    steps = {take(by_step), take(by_step), take(by_step), take(by_step)};
    dy = take(by_step);
    sum_gB = take(by_step);
    sum_gAa = take(by_step);
    h = take((kChunk + 1) * kBackwardStates * kLanes);
    a = take(kChunk * kBackwardStates * kLanes);
    dB = take(kChunk * states);
    dC = take(kChunk * states);
    B = take(kChunk * params.d_state);
    C = take(kChunk * params.d_state);
    return length;
  }
};

/// Recomputes a chunk's states and decays into scratch.h and scratch.a, and adds C h to y.
template <int kStates>
HWY_NOINLINE void recompute_states(
    const ForwardChunk& chunk, int64_t first, const BackwardScratch& scratch) {
  const Lanes d;
  Floats A[kStates];
  Floats h[kStates];
  float* h_steps = scratch.h;
  float* a_steps = scratch.a;
  HWY_UNROLL(8)
  for (int k = 0; k < kStates; ++k) {
    A[k] = hn::Load(d, chunk.A + (first + k) * kLanes);
    h[k] = hn::Load(d, chunk.h_before + (first + k) * kLanes);
    hn::Store(h[k], d, h_steps + k * kLanes);
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
    Floats sum = hn::Load(d, y);
    h_steps += kStates * kLanes;
    HWY_UNROLL(8)
    for (int k = 0; k < kStates; ++k) {
      const Floats a = vector_exp2(hn::Mul(dt, A[k]));
      h[k] = hn::MulAdd(a, h[k], hn::Mul(dtu, hn::Set(d, B.data[k])));
      sum = hn::MulAdd(h[k], hn::Set(d, C.data[k]), sum);
      hn::Store(a, d, a_steps + k * kLanes);
      hn::Store(h[k], d, h_steps + k * kLanes);
    }
    hn::Store(sum, d, y);
    a_steps += kStates * kLanes;
    y += y_stride;
    B.data += B.stride;
    C.data += C.stride;
  }
}

/// What the reverse walk keeps in registers for kStates states: A, the running g exp(dt A), and dA.
template <int kStates>
struct ReverseStates {
  Floats A[kStates];
  Floats carry[kStates];
  Floats dA[kStates];

  HWY_INLINE void load(const float* A_rows, const BackwardScratch& scratch, int64_t offset) {
    const Lanes d;
    HWY_UNROLL(8)
    for (int k = 0; k < kStates; ++k) {
      A[k] = hn::Load(d, A_rows + k * kLanes);
      carry[k] = hn::Load(d, scratch.carry + offset + k * kLanes);
      dA[k] = hn::Load(d, scratch.dA + offset + k * kLanes);
    }
  }

  HWY_INLINE void store(const BackwardScratch& scratch, int64_t offset) const {
    const Lanes d;
    HWY_UNROLL(8)
    for (int k = 0; k < kStates; ++k) {
      hn::Store(carry[k], d, scratch.carry + offset + k * kLanes);
      hn::Store(dA[k], d, scratch.dA + offset + k * kLanes);
    }
  }
};

/// The reverse walk of one chunk for kStates states of lane block `index`.
template <int kStates>
HWY_NOINLINE void reverse_states(
    const ForwardChunk& chunk,
    int64_t first,
    int64_t d_state,
    int64_t index,
    const BackwardScratch& scratch) {
  const Lanes d;
  const int64_t state_offset = (index * d_state + first) * kLanes;
  ReverseStates<kStates> states;
  states.load(chunk.A + first * kLanes, scratch, state_offset);
  const float* dt_steps = chunk.dt;
  const float* dtu_steps = chunk.dtu;
  const float* dy_steps = scratch.dy;
  float* gB_steps = scratch.sum_gB;
  float* gAa_steps = scratch.sum_gAa;
  const int64_t last = chunk.count - 1;
  StateRows B = chunk.B.from(first);
  StateRows C = chunk.C.from(first);
  B.data += last * B.stride;
  C.data += last * C.stride;
  const float* h = scratch.h + last * kStates * kLanes;
  const float* a = scratch.a + last * kStates * kLanes;
  const int64_t row_size = d_state * kLanes;
  float* dB = scratch.dB + last * row_size + first * kLanes;
  float* dC = scratch.dC + last * row_size + first * kLanes;
  for (int64_t i = last * kLanes; i >= 0; i -= kLanes) {
    const Floats dy = hn::Load(d, dy_steps + i);
    const Floats dt = hn::Load(d, dt_steps + i);
    const Floats dtu = hn::Load(d, dtu_steps + i);
    Floats sum_gB = hn::Load(d, gB_steps + i);
    Floats sum_gAa = hn::Load(d, gAa_steps + i);
    HWY_UNROLL(8)
    for (int k = 0; k < kStates; ++k) {
      const int64_t lane = k * kLanes;
      const Floats g = hn::MulAdd(hn::Set(d, C.data[k]), dy, states.carry[k]);
      states.carry[k] = hn::Mul(g, hn::Load(d, a + lane));
      const Floats gah = hn::Mul(states.carry[k], hn::Load(d, h + lane));
      sum_gB = hn::MulAdd(g, hn::Set(d, B.data[k]), sum_gB);
      sum_gAa = hn::MulAdd(gah, states.A[k], sum_gAa);
      states.dA[k] = hn::MulAdd(gah, dt, states.dA[k]);
      hn::Store(hn::MulAdd(g, dtu, hn::Load(d, dB + lane)), d, dB + lane);
      const Floats h_after = hn::Load(d, h + kStates * kLanes + lane);
      hn::Store(hn::MulAdd(dy, h_after, hn::Load(d, dC + lane)), d, dC + lane);
    }
    hn::Store(sum_gB, d, gB_steps + i);
    hn::Store(sum_gAa, d, gAa_steps + i);
    B.data -= B.stride;
    C.data -= C.stride;
    h -= kStates * kLanes;
    a -= kStates * kLanes;
    dB -= row_size;
    dC -= row_size;
  }
  states.store(scratch, state_offset);
}

template <int kStates>
HWY_INLINE void backpropagate_states(
    const ForwardChunk& chunk,
    int64_t first,
    int64_t d_state,
    int64_t index,
    const BackwardScratch& scratch) {
  recompute_states<kStates>(chunk, first, scratch);
  reverse_states<kStates>(chunk, first, d_state, index, scratch);
}

#if HWY_TARGET == HWY_SCALAR

/// Writes the sums over lanes of `count` vectors.
HWY_INLINE void sum_lanes(const float* vectors, int64_t count, float* sums) {
  std::copy(vectors, vectors + count, sums);
}

#else

/// Lanes of four vectors summed within each 128-bit block: lane i of a block belongs to vector i.
HWY_INLINE Floats sum_within_blocks(Floats v0, Floats v1, Floats v2, Floats v3) {
  const Lanes d;
  const hn::Repartition<double, Lanes> d64;  // to move pairs of floats
  const Floats v01 = hn::Add(hn::InterleaveLower(d, v0, v1), hn::InterleaveUpper(d, v0, v1));
  const Floats v23 = hn::Add(hn::InterleaveLower(d, v2, v3), hn::InterleaveUpper(d, v2, v3));
  const auto pairs01 = hn::BitCast(d64, v01);
  const auto pairs23 = hn::BitCast(d64, v23);
  const auto lower = hn::InterleaveLower(d64, pairs01, pairs23);
  const auto upper = hn::InterleaveUpper(d64, pairs01, pairs23);
  return hn::Add(hn::BitCast(d, lower), hn::BitCast(d, upper));
}

/// Adds the 128-bit blocks of a vector.
template <class D>
HWY_INLINE hn::Vec<hn::Full128<float>> add_blocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
  (void)d;
}

/// Writes the sums over lanes of `count` vectors.
HWY_INLINE void sum_lanes(const float* vectors, int64_t count, float* sums) {
  const Lanes d;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const float* from = vectors + i * kLanes;
    const Floats blocks = sum_within_blocks(
        hn::Load(d, from),
        hn::Load(d, from + kLanes),
        hn::Load(d, from + 2 * kLanes),
        hn::Load(d, from + 3 * kLanes));
    hn::StoreU(add_blocks(d, blocks), hn::Full128<float>(), sums + i);
  }
  for (; i < count; ++i)
    sums[i] = hn::GetLane(hn::SumOfLanes(d, hn::Load(d, vectors + i * kLanes)));
}

#endif

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
