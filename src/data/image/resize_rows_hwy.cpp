// Filters with Highway, in vectors of 16 or 32 bytes: integer sums, so every instruction set gives
// the same bytes. A weight w is 2^16 * high + low; 2^16 * sum(high * pixel) + sum(low * pixel) may
// overflow on the way, but modulo 2^32 the end is right, and it fits.
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

#if HWY_TARGET == HWY_SCALAR

// One value at a time, for processors without any of the vectors: the definition in plain words.
uint8_t filter_value(const uint8_t* in, int64_t step, const TapRange& filter) {
  int32_t sum = int32_t{1} << (kWeightBits - 1);
  for (int64_t tap = 0; tap < filter.num_taps; ++tap) {
    const WeightPair& pair = filter.weights[tap / 2];
    sum += (pair.high[tap % 2] * 65536 + pair.low[tap % 2]) * in[tap * step];
  }
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void row_pair(const RowPair& in, const TapRange* filters, int64_t length, const OutputPair& out) {
  for (int64_t i = 0; i < length * 3; ++i) {
    const int64_t at = filters[i / 3].first * 3 + i % 3;
    out.first[i] = filter_value(in.first + at, 3, filters[i / 3]);
    out.second[i] = filter_value(in.second + at, 3, filters[i / 3]);
  }
}

void columns(const RowBlock& block, const TapRange& filter, uint8_t* out) {
  const uint8_t* first = block.rows + filter.first * block.row_bytes;
  for (int64_t i = 0; i < block.row_bytes; ++i) {
    out[i] = filter_value(first + i, block.row_bytes, filter);
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::FixedTag<uint8_t, 16>;
using FourBytes = hn::FixedTag<uint8_t, 4>;
using Shorts = hn::FixedTag<int16_t, 8>;
using Ints = hn::FixedTag<int32_t, 4>;
using ByteVector = hn::Vec<Bytes>;
using ShortVector = hn::Vec<Shorts>;
using IntVector = hn::Vec<Ints>;

HWY_INLINE ShortVector as_shorts(ByteVector v) { return hn::BitCast(Shorts(), v); }

// The same two halves of weights in every lane.
HWY_INLINE ShortVector repeat(const int16_t (&halves)[2]) {
  int32_t packed;
  std::memcpy(&packed, halves, sizeof(packed));
  return hn::BitCast(Shorts(), hn::Set(Ints(), packed));
}

// Four sums of products of 16 bits, in the two parts that Highway may need.
struct PairSums {
  IntVector first;
  IntVector second;

  HWY_INLINE void add(ShortVector a, ShortVector b) {
    first = hn::ReorderWidenMulAccumulate(Ints(), a, b, first, second);
  }
  HWY_INLINE IntVector total() const { return hn::RearrangeToOddPlusEven(first, second); }
};

// Four results on the way.
struct Sums {
  PairSums low;
  PairSums high;

  // Each lane of `pixels` holds the pixels of two taps.
  HWY_INLINE void add(ShortVector pixels, ShortVector low_weights, ShortVector high_weights) {
    low.add(pixels, low_weights);
    high.add(pixels, high_weights);
  }

  // Rounded, and cut to bytes.
  HWY_INLINE hn::Vec<FourBytes> result() const {
    const IntVector half = hn::Set(Ints(), int32_t{1} << (kWeightBits - 1));
    const IntVector sum = hn::Add(hn::Add(low.total(), half), hn::ShiftLeft<16>(high.total()));
    return hn::DemoteTo(FourBytes(), hn::ShiftRight<kWeightBits>(sum));
  }
};

HWY_INLINE Sums zero_sums() {
  const IntVector zero = hn::Zero(Ints());
  return {{zero, zero}, {zero, zero}};
}

// Brings each channel of two neighbouring pixels together, as 16 bits; 0x80 gives 0.
alignas(16) constexpr uint8_t kPixelPairs[16] = {
    0, 0x80, 3, 0x80, 1, 0x80, 4, 0x80, 2, 0x80, 5, 0x80, 0x80, 0x80, 0x80, 0x80};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

using TwoBytes = hn::FixedTag<uint8_t, 32>;
using TwoShorts = hn::FixedTag<int16_t, 16>;
using TwoInts = hn::FixedTag<int32_t, 8>;

// The same pixel of two rows, one in each half of the vectors.
HWY_INLINE hn::Vec<hn::FixedTag<uint8_t, 8>> filter_two_pixels(
    const uint8_t* first, const uint8_t* second, const TapRange& filter) {
  const Bytes half;
  const TwoBytes d;
  const TwoInts sums;
  const auto pairs = hn::LoadDup128(d, kPixelPairs);
  const WeightPair* weights = filter.weights;
  auto low = hn::Zero(sums);
  auto high = hn::Zero(sums);
  auto unused = hn::Zero(sums);  // the two halves of a sum are one register on these targets
  const int64_t end = (filter.first + filter.num_taps) * 3;
  for (int64_t at = filter.first * 3; at < end; at += 6, ++weights) {
    const auto pixels = hn::Combine(d, hn::LoadU(half, second + at), hn::LoadU(half, first + at));
    const auto shorts = hn::BitCast(TwoShorts(), hn::TableLookupBytesOr0(pixels, pairs));
    int32_t low_pair;
    int32_t high_pair;
    std::memcpy(&low_pair, weights->low, sizeof(low_pair));
    std::memcpy(&high_pair, weights->high, sizeof(high_pair));
    low = hn::ReorderWidenMulAccumulate(
        sums, shorts, hn::BitCast(TwoShorts(), hn::Set(sums, low_pair)), low, unused);
    high = hn::ReorderWidenMulAccumulate(
        sums, shorts, hn::BitCast(TwoShorts(), hn::Set(sums, high_pair)), high, unused);
  }
  const auto rounding = hn::Set(sums, int32_t{1} << (kWeightBits - 1));
  const auto total = hn::Add(hn::Add(low, rounding), hn::ShiftLeft<16>(high));
  return hn::DemoteTo(hn::FixedTag<uint8_t, 8>(), hn::ShiftRight<kWeightBits>(total));
}

HWY_FLATTEN void row_pair(
    const RowPair& in, const TapRange* filters, int64_t length, const OutputPair& out) {
  const hn::FixedTag<uint8_t, 8> d;
  for (int64_t x = 0; x < length; ++x) {
    uint8_t pixels[8];
    hn::StoreU(filter_two_pixels(in.first, in.second, filters[x]), d, pixels);
    const size_t num_bytes = x + 1 < length ? 4 : 3;
    std::memcpy(out.first + x * 3, pixels, num_bytes);
    std::memcpy(out.second + x * 3, pixels + 4, num_bytes);
  }
}

#else

// Red, green and blue of one output pixel, and a byte without meaning.
HWY_INLINE hn::Vec<FourBytes> filter_pixel(const uint8_t* in, const TapRange& filter) {
  const Bytes d;
  const ByteVector pairs = hn::Load(d, kPixelPairs);
  const uint8_t* pixel = in + filter.first * 3;
  const WeightPair* weights = filter.weights;
  Sums sums = zero_sums();
  for (int64_t tap = 0; tap < filter.num_taps; tap += 2, pixel += 6, ++weights) {
    const ByteVector interleaved = hn::TableLookupBytesOr0(hn::LoadU(d, pixel), pairs);
    sums.add(as_shorts(interleaved), repeat(weights->low), repeat(weights->high));
  }
  return sums.result();
}

HWY_INLINE void filter_one_row(
    const uint8_t* in, const TapRange* filters, int64_t length, uint8_t* out) {
  const FourBytes d;
  // Four bytes are written for a pixel; the next one overwrites the last of them.
  for (int64_t x = 0; x + 1 < length; ++x) {
    hn::StoreU(filter_pixel(in, filters[x]), d, out + x * 3);
  }
  uint8_t last[4];
  hn::StoreU(filter_pixel(in, filters[length - 1]), d, last);
  std::memcpy(out + (length - 1) * 3, last, 3);
}

HWY_FLATTEN void row_pair(
    const RowPair& in, const TapRange* filters, int64_t length, const OutputPair& out) {
  filter_one_row(in.first, filters, length, out.first);
  filter_one_row(in.second, filters, length, out.second);
}

#endif

constexpr int64_t kBlock = 16;  // bytes of an output row that are filtered together

// Bytes [offset, offset + kBlock) of the output row.
HWY_INLINE void filter_block(
    const RowBlock& block, const TapRange& filter, int64_t offset, uint8_t* out) {
  const Bytes d;
  const ByteVector zero = hn::Zero(d);
  Sums sums[4] = {zero_sums(), zero_sums(), zero_sums(), zero_sums()};
  const WeightPair* weights = filter.weights;
  const uint8_t* first = block.rows + filter.first * block.row_bytes + offset;
  for (int64_t tap = 0; tap < filter.num_taps; tap += 2, ++weights, first += 2 * block.row_bytes) {
    const bool has_second = tap + 1 < filter.num_taps;
    const ByteVector a = hn::LoadU(d, first);
    const ByteVector b = hn::LoadU(d, has_second ? first + block.row_bytes : first);
    const ByteVector lower = hn::InterleaveLower(d, a, b);
    const ByteVector upper = hn::InterleaveUpper(d, a, b);
    const ShortVector low = repeat(weights->low);
    const ShortVector high = repeat(weights->high);
    sums[0].add(as_shorts(hn::InterleaveLower(d, lower, zero)), low, high);
    sums[1].add(as_shorts(hn::InterleaveUpper(d, lower, zero)), low, high);
    sums[2].add(as_shorts(hn::InterleaveLower(d, upper, zero)), low, high);
    sums[3].add(as_shorts(hn::InterleaveUpper(d, upper, zero)), low, high);
  }
  for (const Sums& four : sums) {
    hn::StoreU(four.result(), FourBytes(), out);
    out += 4;
  }
}

HWY_FLATTEN void columns(const RowBlock& block, const TapRange& filter, uint8_t* out) {
  if (block.row_bytes < kBlock) {
    uint8_t bytes[kBlock];
    filter_block(block, filter, 0, bytes);
    std::memcpy(out, bytes, static_cast<size_t>(block.row_bytes));
    return;
  }
  for (int64_t offset = 0; offset < block.row_bytes; offset += kBlock) {
    // The last block overlaps the one before.
    const int64_t begin = std::min(offset, block.row_bytes - kBlock);
    filter_block(block, filter, begin, out + begin);
  }
}

#endif

}  // namespace
}  // namespace vim::data::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::data {

HWY_EXPORT(row_pair);
HWY_EXPORT(columns);

void filter_row_pair(
    const RowPair& in, const TapRange* filters, int64_t length, const OutputPair& out) {
  HWY_DYNAMIC_DISPATCH(row_pair)(in, filters, length, out);
}

void filter_columns(const RowBlock& block, const TapRange& filter, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(columns)(block, filter, out);
}

}  // namespace vim::data
#endif
