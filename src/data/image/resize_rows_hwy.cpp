// Filters with Highway, in integers, so every instruction set gives the same bytes. A weight w is
// 2^16 * high + low; 2^16 * sum(high * pixel) + sum(low * pixel) may overflow on the way, but
// modulo 2^32 the end is right, and it fits.
#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/data/image/resize_rows_hwy.cpp"
#include "hwy/foreach_target.h"
// Highway wants this after foreach_target.h.
#include "hwy/highway.h"

#include "src/data/image/resize_rows.h"

HWY_BEFORE_NAMESPACE();
namespace vim::data::HWY_NAMESPACE {
namespace {

using Rows = std::span<const uint8_t* const>;
using Filters = std::span<const TapRange>;

#if HWY_TARGET == HWY_SCALAR

// One value at a time, for processors without any of the vectors: the definition in plain words.
void columns_to_lines(Rows rows, int64_t width, uint8_t* out) {
  const auto num_rows = static_cast<int64_t>(rows.size());
  for (int64_t i = 0; i < width * 3 * num_rows; ++i) {
    const int64_t x = i / num_rows / 3;
    const int64_t channel = i / num_rows % 3;
    const int64_t byte = (x / 2 * 3 + channel) * num_rows * 2 + i % num_rows * 2 + x % 2;
    out[byte] = rows[static_cast<size_t>(i % num_rows)][x * 3 + channel];
  }
}

uint8_t filter_value(const uint8_t* in, int64_t stride, const TapRange& filter) {
  int32_t sum = int32_t{1} << (kWeightBits - 1);
  for (int64_t tap = 0; tap < filter.num_pairs * 2; ++tap) {
    const WeightPair& pair = filter.weights[tap / 2];
    sum += (pair.high[tap % 2] * 65536 + pair.low[tap % 2]) * in[tap / 2 * stride + tap % 2];
  }
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void sum_lines(const LinePairs& in, Filters filters, const Lines& out) {
  uint8_t* to = out.bytes;
  for (const TapRange& filter : filters) {
    const uint8_t* const first = in.bytes + filter.first_pair * in.stride;
    for (int64_t i = 0; i < out.length; ++i) {
      *to++ = filter_value(first + 2 * i, in.stride, filter);
    }
  }
}

void lines_to_rows(const Lines& in, int64_t num_lines, const LinePairs& out) {
  for (int64_t line = 0; line < num_lines; ++line) {
    for (int64_t i = 0; i < in.length; ++i) {
      out.bytes[i / 2 * out.stride + 2 * line + i % 2] = in.bytes[line * in.length + i];
    }
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::FixedTag<uint8_t, 16>;
using Units = hn::FixedTag<uint16_t, 8>;  // pairs of bytes
using UnitVector = hn::Vec<Units>;

// Puts the units of the first four vectors and of the last four in turns.
HWY_INLINE void interleave_halves(const UnitVector (&in)[8], UnitVector (&out)[8]) {
  for (int i = 0; i < 4; ++i) {
    out[2 * i] = hn::InterleaveLower(Units(), in[i], in[i + 4]);
    out[2 * i + 1] = hn::InterleaveUpper(Units(), in[i], in[i + 4]);
  }
}

// Exchanges rows and columns. A unit's place in the square has six bits, three for its row and
// three for its column; each step rotates them by one.
HWY_INLINE void turn(UnitVector (&square)[8]) {
  UnitVector once[8];
  UnitVector twice[8];
  interleave_halves(square, once);
  interleave_halves(once, twice);
  interleave_halves(twice, square);
}

// Each channel of four pixels, two pixels side by side; the last four bytes are of no use.
alignas(16) constexpr uint8_t kPixelPairs[16] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, 0, 0, 0, 0};

HWY_FLATTEN void columns_to_lines(Rows rows, int64_t width, uint8_t* out) {
  const Bytes d;
  const auto pairs = hn::Load(d, kPixelPairs);
  const size_t line_bytes = rows.size() * 2;
  for (size_t y = 0; y < rows.size(); y += 8) {
    uint8_t* to = out + y * 2;
    for (int64_t x = 0; x < width; x += kTurnedPixels) {
      UnitVector square[8];
      for (size_t i = 0; i < 8; ++i) {
        const auto pixels = hn::LoadU(d, rows[y + i] + x * 3);
        square[i] = hn::BitCast(Units(), hn::TableLookupBytes(pixels, pairs));
      }
      turn(square);
      for (size_t i = 0; i < 6; ++i, to += line_bytes) {
        hn::StoreU(hn::BitCast(d, square[i]), d, to);
      }
    }
  }
}

HWY_FLATTEN void lines_to_rows(const Lines& in, int64_t num_lines, const LinePairs& out) {
  const Bytes d;
  for (int64_t line = 0; line < num_lines; line += 8) {
    for (int64_t at = 0; at < in.length; at += 16) {
      UnitVector square[8];
      for (int64_t i = 0; i < 8; ++i) {
        const uint8_t* const bytes = in.bytes + (line + i) * in.length + at;
        square[i] = hn::BitCast(Units(), hn::LoadU(d, bytes));
      }
      turn(square);
      uint8_t* to = out.bytes + at / 2 * out.stride + line * 2;
      for (int64_t i = 0; i < 8; ++i, to += out.stride) {
        hn::StoreU(hn::BitCast(d, square[i]), d, to);
      }
    }
  }
}

using Ints = hn::ScalableTag<int32_t>;
using Shorts = hn::Repartition<int16_t, Ints>;
using PairBytes = hn::Repartition<uint8_t, Ints>;
using OutBytes = hn::Rebind<uint8_t, Shorts>;
using IntVector = hn::Vec<Ints>;
using ShortVector = hn::Vec<Shorts>;

// The same two halves of weights in every lane.
HWY_INLINE ShortVector repeat(const int16_t (&halves)[2]) {
  int32_t packed;
  std::memcpy(&packed, halves, sizeof(packed));
  return hn::BitCast(Shorts(), hn::Set(Ints(), packed));
}

// Sums of products of 16 bits, in the two parts that Highway may need.
struct PairSums {
  IntVector first;
  IntVector second;

  HWY_INLINE void add(ShortVector a, ShortVector b) {
    first = hn::ReorderWidenMulAccumulate(Ints(), a, b, first, second);
  }
  HWY_INLINE IntVector total() const { return hn::RearrangeToOddPlusEven(first, second); }
};

// Results on the way, two vectors of them. Interleaving and narrowing act within each 128 bits
// alike, so that the one undoes what the other does to the order.
struct Sums {
  PairSums lower_low;
  PairSums lower_high;
  PairSums upper_low;
  PairSums upper_high;

  HWY_INLINE void add(hn::Vec<PairBytes> pairs, ShortVector low, ShortVector high) {
    const PairBytes d;
    const auto lower = hn::BitCast(Shorts(), hn::InterleaveLower(d, pairs, hn::Zero(d)));
    const auto upper = hn::BitCast(Shorts(), hn::InterleaveUpper(d, pairs, hn::Zero(d)));
    lower_low.add(lower, low);
    lower_high.add(lower, high);
    upper_low.add(upper, low);
    upper_high.add(upper, high);
  }

  // Rounded, and cut to bytes.
  HWY_INLINE hn::Vec<OutBytes> result() const {
    const auto shorts =
        hn::ReorderDemote2To(Shorts(), join(lower_low, lower_high), join(upper_low, upper_high));
    return hn::DemoteTo(OutBytes(), shorts);
  }

 private:
  static HWY_INLINE IntVector join(const PairSums& low, const PairSums& high) {
    const IntVector half = hn::Set(Ints(), int32_t{1} << (kWeightBits - 1));
    const IntVector sum = hn::Add(hn::Add(low.total(), half), hn::ShiftLeft<16>(high.total()));
    return hn::ShiftRight<kWeightBits>(sum);
  }
};

HWY_INLINE Sums zero_sums() {
  const IntVector zero = hn::Zero(Ints());
  return {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
}

constexpr int64_t kLanes = hn::MaxLanes(Ints());
constexpr int64_t kBlock = 4 * kLanes;  // bytes of a line that are summed together

// The first kBlock bytes of a line.
HWY_INLINE void sum_block(
    const uint8_t* pairs, int64_t stride, const TapRange& filter, uint8_t* out) {
  const PairBytes d;
  Sums left = zero_sums();
  Sums right = zero_sums();
  for (int64_t i = 0; i < filter.num_pairs; ++i, pairs += stride) {
    const ShortVector low = repeat(filter.weights[i].low);
    const ShortVector high = repeat(filter.weights[i].high);
    left.add(hn::LoadU(d, pairs), low, high);
    right.add(hn::LoadU(d, pairs + 4 * kLanes), low, high);
  }
  hn::StoreU(left.result(), OutBytes(), out);
  hn::StoreU(right.result(), OutBytes(), out + 2 * kLanes);
}

HWY_INLINE void sum_line(
    const uint8_t* pairs, int64_t stride, const TapRange& filter, const Lines& out) {
  if (out.length < kBlock) {
    uint8_t bytes[kBlock];
    sum_block(pairs, stride, filter, bytes);
    std::memcpy(out.bytes, bytes, static_cast<size_t>(out.length));
    return;
  }
  for (int64_t offset = 0; offset < out.length; offset += kBlock) {
    // The last block overlaps the one before.
    const int64_t begin = std::min(offset, out.length - kBlock);
    sum_block(pairs + 2 * begin, stride, filter, out.bytes + begin);
  }
}

HWY_FLATTEN void sum_lines(const LinePairs& in, Filters filters, const Lines& out) {
  uint8_t* to = out.bytes;
  for (const TapRange& filter : filters) {
    sum_line(in.bytes + filter.first_pair * in.stride, in.stride, filter, {to, out.length});
    to += out.length;
  }
}

#endif

}  // namespace
}  // namespace vim::data::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::data {

HWY_EXPORT(columns_to_lines);
HWY_EXPORT(sum_lines);
HWY_EXPORT(lines_to_rows);

void turn_columns(std::span<const uint8_t* const> rows, int64_t width, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(columns_to_lines)(rows, width, out);
}

void filter_lines(const LinePairs& in, std::span<const TapRange> filters, const Lines& out) {
  HWY_DYNAMIC_DISPATCH(sum_lines)(in, filters, out);
}

void turn_back(const Lines& in, int64_t num_lines, const LinePairs& out) {
  HWY_DYNAMIC_DISPATCH(lines_to_rows)(in, num_lines, out);
}

}  // namespace vim::data
#endif
