// The inner loops of resizing, compiled once for each instruction set. Both passes are sums of
// lines, each line times a weight: of rows as they are, and of columns that were turned into lines.
// Lines lie in memory two by two, since products of 16 bits can be added in pairs.
#pragma once

#include <cstdint>
#include <span>

namespace vim::data {

/// Bytes that may be read behind the last pixel of a row that turn_columns takes.
inline constexpr int64_t kResizeSlack = 16;

/// Bytes that may be read behind the last pair that filter_lines takes.
inline constexpr int64_t kLineSlack = 128;

/// turn_columns takes a multiple of so many rows.
inline constexpr int64_t kTurnedRows = 16;

/// turn_columns writes a multiple of so many lines.
inline constexpr int64_t kTurnedPixels = 4;

/// turn_back takes a multiple of so many lines.
inline constexpr int64_t kTurnedLines = 8;

/// Two neighbouring weights, each cut into its lower 16 bits, taken as signed, and what is left in
/// units of 2^16. 16-bit products of pixels and halves can be added in pairs.
struct WeightPair {
  int16_t low[2];
  int16_t high[2];
};

/// The filter of one output line: the sum over pairs of both weights * both lines.
struct TapRange {
  int64_t first_pair = 0;
  int64_t num_pairs = 0;
  const WeightPair* weights = nullptr;  // num_pairs; 0 for a line beside the outermost taps
};

/// Fixed-point weights have so many fractional bits; sums are rounded and cut to [0, 255].
inline constexpr int kWeightBits = 22;

/// Lines in pairs: byte i of the first line of pair p is bytes[p * stride + 2 * i], that of the
/// second line follows it.
struct LinePairs {
  uint8_t* bytes = nullptr;
  int64_t stride = 0;
};

/// Lines one after another.
struct Lines {
  uint8_t* bytes = nullptr;
  int64_t length = 0;
};

/// Turns columns of pixels into pairs of lines without gaps: line x is the red of column x from
/// first row to last, then its green, then its blue. Writes as many lines as width rounded up to
/// kTurnedPixels; those behind the last column are without meaning.
void turn_columns(std::span<const uint8_t* const> rows, int64_t width, uint8_t* out);

/// Writes one line for each filter over the lines of `in`, which are as long as those of `out`.
void filter_lines(const LinePairs& in, std::span<const TapRange> filters, const Lines& out);

/// Turns `num_lines` lines of in.length bytes, a multiple of kTurnedRows, into in.length lines of
/// num_lines bytes, in pairs.
void turn_back(const Lines& in, int64_t num_lines, const LinePairs& out);

}  // namespace vim::data
