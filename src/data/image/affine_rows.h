// The inner loops of affine transforms with mixing, compiled once for each instruction set.
#pragma once

#include <array>
#include <cstdint>

namespace vim::data {

/// Pixels that the source is framed with on every side, copies of its outermost ones.
inline constexpr int64_t kAffineFrame = 2;

/// Bytes that may be read behind the last pixel of the framed source.
inline constexpr int64_t kAffineSlack = 4;

struct AffineRows {
  const uint8_t* source = nullptr;  // pixel (0, 0) inside the frame
  int64_t source_stride = 0;        // bytes from row to row
  int64_t height = 0;
  int64_t width = 0;
  std::array<double, 6> map{};
  std::array<uint8_t, 3> fill{};
  uint8_t* out = nullptr;  // height x width x 3
};

/// Write all of `out`. The arithmetic is double in Pillow's order, without fused multiply-adds, so
/// every instruction set gives the same bytes.
void affine_rows_bilinear(const AffineRows& rows);
void affine_rows_bicubic(const AffineRows& rows);

}  // namespace vim::data
