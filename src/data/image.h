// A decoded picture, and views of one.
#pragma once

#include <cstdint>
#include <vector>

namespace vim::data {

/// RGB, 8 bit, height x width x 3, rows without padding.
struct Image {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> pixels;
};

/// In pixels.
struct Size {
  int64_t height = 0;
  int64_t width = 0;

  bool operator==(const Size&) const = default;
};

/// A rectangle in pixels.
struct Box {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;

  bool operator==(const Box&) const = default;
};

/// A rectangle of somebody else's RGB pixels; `row_stride` is in bytes.
struct ImageView {
  const uint8_t* pixels = nullptr;
  int64_t height = 0;
  int64_t width = 0;
  int64_t row_stride = 0;
};

/// Somebody else's RGB pixels to be changed in place: height x width x 3 bytes, rows without
/// padding.
struct ImageSpan {
  uint8_t* pixels = nullptr;
  int64_t height = 0;
  int64_t width = 0;
};

/// The whole image; valid as long as the image is.
ImageView view_of(const Image& image);
ImageSpan span_of(Image& image);

/// The part of the image inside the box, which must lie in it: std::invalid_argument otherwise.
ImageView view_of(const Image& image, const Box& box);

}  // namespace vim::data
