// What the vectorised scan's forward and backward share: 2^x and softplus, and the preparation of a
// chunk of steps for one lane block. A lane is a channel; arrays "by step" hold one vector per step
// of a chunk. Included once per Highway target, hence the toggling guard.
#if defined(VIM_KERNELS_SELECTIVE_SCAN_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_SELECTIVE_SCAN_LANES_INL_H_
#undef VIM_KERNELS_SELECTIVE_SCAN_LANES_INL_H_
#else
#define VIM_KERNELS_SELECTIVE_SCAN_LANES_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/cpu/selective_scan_impl.h"
#include "kernels/cpu/vector_math-inl.h"
#include "kernels/storage.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

using Lanes = hn::ScalableTag<float>;
using Floats = hn::Vec<Lanes>;

inline constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(Lanes()));
inline constexpr int64_t kLaneBlocks = (kScanTile + kLanes - 1) / kLanes;  // of a tile

inline constexpr float kLog2E = 1.44269504088896340736F;
inline constexpr float kLn2 = 0.693147180559945309417F;

/// Returns 2^x with a relative error below 1.5e-7: 0 from below 2^-126 on at the latest where
/// AVX-512 is missing, subnormal where it is there; infinity above the largest float; NaN for NaN.
HWY_INLINE Floats vector_exp2(Floats x) {
  const Lanes d;
  // x = i + f with |f| <= 1/2; 2^f = 1 + f q(f), q interpolated at Chebyshev nodes, error below
  // 1e-8.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const Floats f{_mm512_reduce_ps(x.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
#else
  // Adding 1.5 * 2^23 rounds to an integer and leaves it, with the exponent's bias, in the low
  // bits. At the bounds the exponent field becomes 0 or 255, that is 2^i = 0 or infinity. NaN
  // passes through Max and Min as their second operand.
  x = hn::Min(hn::Set(d, 128.0F), hn::Max(hn::Set(d, -127.0F), x));
  const Floats magic = hn::Set(d, 12582912.0F + 127.0F);
  const Floats shifted = hn::Add(x, magic);
  const Floats f = hn::Sub(x, hn::Sub(shifted, magic));
#endif
  Floats q = hn::Set(d, 1.5453163e-4F);
  q = hn::MulAdd(q, f, hn::Set(d, 1.3390863e-3F));
  q = hn::MulAdd(q, f, hn::Set(d, 9.6180830e-3F));
  q = hn::MulAdd(q, f, hn::Set(d, 5.5503570e-2F));
  q = hn::MulAdd(q, f, hn::Set(d, 2.4022651e-1F));
  q = hn::MulAdd(q, f, hn::Set(d, 6.9314718e-1F));
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const Floats p = hn::MulAdd(q, f, hn::Set(d, 1.0F));
  return Floats{_mm512_scalef_ps(p.raw, hn::Sub(x, f).raw)};
#else
  const hn::RebindToUnsigned<Lanes> du;
  const Floats power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, shifted)));
  return hn::MulAdd(hn::Mul(power, f), q, power);
#endif
}

/// Returns log(1 + exp(x)) up to and including 20, x above and for NaN; relative error below 5e-7.
HWY_INLINE Floats softplus(Floats x) {
  const Lanes d;
  const Floats e = vector_exp(d, hn::Neg(hn::Abs(x)));
  // log(1 + e) = 2 atanh(s), s = e / (2 + e) <= 1/3; atanh(s) / s is fitted in s^2, error below
  // 1e-9.
  const Floats s = hn::Div(e, hn::Add(e, hn::Set(d, 2.0F)));
  const Floats ss = hn::Mul(s, s);
  Floats p = hn::Set(d, 0.12196954F);
  p = hn::MulAdd(p, ss, hn::Set(d, 0.10699280F));
  p = hn::MulAdd(p, ss, hn::Set(d, 0.14310104F));
  p = hn::MulAdd(p, ss, hn::Set(d, 0.19999355F));
  p = hn::MulAdd(p, ss, hn::Set(d, 0.33333340F));
  p = hn::MulAdd(p, ss, hn::Set(d, 1.0F));
  const Floats soft = hn::MulAdd(hn::Add(s, s), p, hn::Max(x, hn::Zero(d)));
  return hn::IfThenElse(hn::Le(x, hn::Set(d, 20.0F)), soft, x);
}

/// Steps of the walk that are handled together. It bounds the scratch and changes no result.
inline constexpr int64_t kChunk = 32;

/// The part of a tile that one vector holds: `width` channels from `channel` on; the lanes above
/// are 0.
struct LaneBlock {
  int64_t batch = 0;
  int64_t group = 0;
  int64_t channel = 0;
  int64_t width = 0;
  int64_t index = 0;  // in the tile
  bool is_last = false;
};

HWY_INLINE int64_t num_lane_blocks(const ScanTile& tile) {
  return (tile.width + kLanes - 1) / kLanes;
}

HWY_INLINE LaneBlock lane_block(const ScanTile& tile, int64_t index) {
  const int64_t offset = index * kLanes;
  LaneBlock block;
  block.batch = tile.batch;
  block.group = tile.group;
  block.channel = tile.begin + offset;
  block.width = std::min(kLanes, tile.width - offset);
  block.index = index;
  block.is_last = index + 1 == num_lane_blocks(tile);
  return block;
}

/// Steps [begin, begin + count) of a direction's walk. The chunk taken next lies `next` steps away.
struct StepRange {
  int direction = 0;
  int64_t begin = 0;
  int64_t count = 0;
  int64_t next = kChunk;
};

template <typename T>
HWY_INLINE const T* token_at(const TokenView& view, int64_t batch, int64_t token, int64_t channel) {
  return static_cast<const T*>(view.data) + batch * view.batch_stride + token * view.token_stride +
         channel;
}

/// Reads a lane block's vectors step by step. A tile is a narrow column of a wide array, which
/// hardware prefetchers do not follow: each read asks for what the next lane block, or the next
/// chunk, will need.
template <typename T>
class StepReader {
 public:
  HWY_INLINE StepReader(
      const ScanParams& params, const TokenView& view, const LaneBlock& block, StepRange steps)
      : from_(token_at<T>(
            view, block.batch, walk_token(params, steps.direction, steps.begin), block.channel)),
        stride_(
            params.direction[steps.direction].reversed ? -view.token_stride : view.token_stride),
        ahead_(block.is_last ? steps.next * stride_ - block.index * kLanes : kLanes),
        width_(block.width) {}

  HWY_INLINE Floats read(int64_t step) const {
    const T* from = from_ + step * stride_;
    // The address may lie outside the array, so it is computed as an integer.
    hwy::Prefetch(reinterpret_cast<const T*>(
        reinterpret_cast<uintptr_t>(from) + static_cast<uintptr_t>(ahead_) * sizeof(T)));
    return load_part(Lanes(), from, width_);
  }

 private:
  const T* from_;
  int64_t stride_;  // elements from one step to the next
  int64_t ahead_;
  int64_t width_;
};

/// Writes a lane block's vectors step by step.
template <typename T>
class StepWriter {
 public:
  HWY_INLINE StepWriter(
      const ScanParams& params,
      const MutableTokenView& view,
      const LaneBlock& block,
      StepRange steps)
      : to_(static_cast<T*>(view.data) + block.batch * view.batch_stride +
            walk_token(params, steps.direction, steps.begin) * view.token_stride + block.channel),
        stride_(
            params.direction[steps.direction].reversed ? -view.token_stride : view.token_stride),
        width_(block.width) {}

  HWY_INLINE void write(int64_t step, Floats value) const {
    store_part(Lanes(), value, to_ + step * stride_, width_);
  }

 private:
  T* to_;
  int64_t stride_;
  int64_t width_;
};

/// B or C of a chunk as float: d_state values per step, `stride` floats from one step to the next.
struct StateRows {
  const float* data = nullptr;
  int64_t stride = 0;

  HWY_INLINE StateRows from(int64_t first_state) const { return {data + first_state, stride}; }
};

/// Where a chunk's vectors are kept, all by step. raw is delta + delta_bias.
struct StepVectors {
  float* u = nullptr;
  float* raw = nullptr;
  float* dt = nullptr;
  float* dtu = nullptr;
};

/// Per-channel floats, 0 where the array is absent.
HWY_INLINE Floats load_channels(const float* values, const LaneBlock& block) {
  const Lanes d;
  return values == nullptr ? hn::Zero(d) : load_part(d, values + block.channel, block.width);
}

/// Transposes A of a lane block to one vector per state, times log2(e), so that exp(dt A) = 2^(dt
/// A').
inline void load_A(const ScanParams& params, int direction, const LaneBlock& block, float* out) {
  const float* A = params.direction[direction].A + block.channel * params.d_state;
  std::fill(out, out + params.d_state * kLanes, 0.0F);
  for (int64_t lane = 0; lane < block.width; ++lane) {
    for (int64_t n = 0; n < params.d_state; ++n) {
      out[n * kLanes + lane] = A[lane * params.d_state + n] * kLog2E;
    }
  }
}

/// B or C of a chunk in the order of the walk: in place where they are float, else converted to
/// `buffer`.
template <typename T>
HWY_INLINE StateRows load_states(
    const ScanParams& params,
    const TokenView& view,
    const ScanTile& tile,
    StepRange steps,
    float* buffer) {
  const int64_t token_step = params.direction[steps.direction].reversed ? -1 : 1;
  const T* from = token_at<T>(
      view,
      tile.batch,
      walk_token(params, steps.direction, steps.begin),
      tile.group * params.d_state);
  if constexpr (std::is_same_v<T, float>) {
    return {from, token_step * view.token_stride};
  } else {
    const Lanes d;
    for (int64_t i = 0; i < steps.count; ++i) {
      const T* row = from + i * token_step * view.token_stride;
      for (int64_t n = 0; n < params.d_state; n += kLanes) {
        const int64_t width = std::min(kLanes, params.d_state - n);
        store_part(d, load_part(d, row + n, width), buffer + i * params.d_state + n, width);
      }
    }
    return {buffer, params.d_state};
  }
}

/// Loads u and delta of a chunk and computes dt and dt * u.
template <typename T>
HWY_INLINE void prepare_steps(
    const ScanParams& params, const LaneBlock& block, StepRange steps, const StepVectors& to) {
  const Lanes d;
  const ScanDirection& in = params.direction[steps.direction];
  const Floats bias = load_channels(in.delta_bias, block);
  const StepReader<T> u_reader(params, in.u, block, steps);
  const StepReader<T> delta_reader(params, in.delta, block, steps);
  for (int64_t i = 0; i < steps.count; ++i) {
    const Floats u = u_reader.read(i);
    const Floats raw = hn::Add(delta_reader.read(i), bias);
    const Floats dt = params.delta_softplus ? softplus(raw) : raw;
    hn::Store(u, d, to.u + i * kLanes);
    hn::Store(raw, d, to.raw + i * kLanes);
    hn::Store(dt, d, to.dt + i * kLanes);
    hn::Store(hn::Mul(dt, u), d, to.dtu + i * kLanes);
  }
}

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
