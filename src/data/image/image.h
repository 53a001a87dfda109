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

/// Some rows and columns of a picture, which may have been scaled down on decoding.
struct ImagePart {
  ImageView pixels;
  Box box;        // where they lie in the stored picture
  Size stored;    // the whole picture as decoded
  Size original;  // the whole picture before scaling; equal to `stored` unless it was scaled
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

/// All of a picture that is not scaled; valid as long as the view is.
ImagePart part_of(const ImageView& whole);

/// A box of the original picture in its stored coordinates: the same where nothing was scaled, else
/// rounded, of at least one pixel.
Box to_stored(const ImagePart& part, const Box& original);

/// The pixels of a box given in stored coordinates. std::invalid_argument unless the part holds it.
ImageView view_of(const ImagePart& part, const Box& stored);

/// The part of the image inside the box, which must lie in it: std::invalid_argument otherwise.
ImageView view_of(const Image& image, const Box& box);

}  // namespace vim::data
