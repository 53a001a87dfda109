// The inner loops of resizing, compiled once for each instruction set.
#pragma once

#include <cstdint>

namespace vim::data {

/// Bytes that may be read behind the last pixel of a row that filter_row_pair takes, and behind the
/// last row that filter_columns takes.
inline constexpr int64_t kResizeSlack = 16;

/// Two neighbouring weights, each cut into its lower 16 bits, taken as signed, and what is left in
/// units of 2^16. 16-bit products of pixels and halves can be added in pairs.
struct WeightPair {
  int16_t low[2];
  int16_t high[2];
};

/// The filter of one output position: the sum over taps of weight * source[first + tap].
struct TapRange {
  int64_t first = 0;
  int64_t num_taps = 0;
  const WeightPair* weights = nullptr;  // (num_taps + 1) / 2; a last odd tap has a 0 beside it
};

/// Fixed-point weights have so many fractional bits; sums are rounded and cut to [0, 255].
inline constexpr int kWeightBits = 22;

/// Two rows that are filtered together, since they share their weights; they may be the same.
struct RowPair {
  const uint8_t* first = nullptr;
  const uint8_t* second = nullptr;
};

struct OutputPair {
  uint8_t* first = nullptr;
  uint8_t* second = nullptr;
};

/// Writes, for each of the two rows, one RGB pixel for each of `length` filters over its pixels:
/// length * 3 bytes.
void filter_row_pair(
    const RowPair& in, const TapRange* filters, int64_t length, const OutputPair& out);

/// Rows of `row_bytes` bytes, one after another.
struct RowBlock {
  const uint8_t* rows = nullptr;
  int64_t row_bytes = 0;
};

/// Writes the row that one filter gives over the rows of a block: row_bytes bytes.
void filter_columns(const RowBlock& block, const TapRange& filter, uint8_t* out);

}  // namespace vim::data
