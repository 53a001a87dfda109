// PNG, BMP, PPM, WebP and whatever else OpenCV reads, reduced to 8-bit RGB here rather than by
// OpenCV, so that depth and channels are treated alike for every format.
#include "src/data/opencv_formats.h"

#include <algorithm>
#include <array>
#include <climits>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>

#include "src/data/decode.h"

namespace vim::data {
namespace {

// A PNG names its size in its first chunk: refuse a decompression bomb before OpenCV allocates it.
void refuse_oversized_png(std::span<const uint8_t> bytes) {
  constexpr std::array<uint8_t, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  constexpr size_t kWidthOffset = 16;
  if (bytes.size() < kWidthOffset + 8 || !std::equal(kPng.begin(), kPng.end(), bytes.begin())) {
    return;
  }
  const auto big_endian = [&](size_t at) {
    return int64_t{bytes[at]} << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
  };
  const int64_t width = big_endian(kWidthOffset);
  const int64_t height = big_endian(kWidthOffset + 4);
  if (width > kMaxImagePixels || height > kMaxImagePixels || width * height > kMaxImagePixels) {
    throw BadImage(fmt::format("{} x {} pixels are more than are accepted", width, height));
  }
}

cv::Mat decode_unchanged(std::span<const uint8_t> bytes) {
  if (bytes.size() > INT_MAX) {
    throw BadImage("larger than 2 GiB");
  }
  refuse_oversized_png(bytes);
  // imdecode only reads, but cv::Mat has no read-only view.
  const cv::Mat file(
      1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<uint8_t*>(bytes.data()));
  try {
    return cv::imdecode(file, cv::IMREAD_UNCHANGED | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    throw BadImage(error.err);
  }
}

// Copies one row as RGB; `channels` is 1 (grey), 3 (BGR) or 4 (BGRA), `shift` drops low bits.
template <typename T>
void copy_row(const T* in, int channels, int shift, std::span<uint8_t> out) {
  const bool is_grey = channels == 1;
  for (size_t i = 0; i < out.size(); i += 3, in += channels) {
    out[i] = static_cast<uint8_t>(in[is_grey ? 0 : 2] >> shift);
    out[i + 1] = static_cast<uint8_t>(in[is_grey ? 0 : 1] >> shift);
    out[i + 2] = static_cast<uint8_t>(in[0] >> shift);
  }
}

}  // namespace

Image decode_other_format(std::span<const uint8_t> bytes) {
  const cv::Mat decoded = decode_unchanged(bytes);
  if (decoded.empty()) {
    throw BadImage("not an image, damaged, or of a format that is not supported");
  }
  const int channels = decoded.channels();
  const bool is_wide = decoded.depth() == CV_16U;
  const bool has_layout = channels == 1 || channels == 3 || channels == 4;
  if (!has_layout || (!is_wide && decoded.depth() != CV_8U)) {
    throw BadImage(fmt::format("pixels of {} channels or that depth are not supported", channels));
  }
  if (int64_t{decoded.rows} * decoded.cols > kMaxImagePixels) {
    throw BadImage(
        fmt::format("{} x {} pixels are more than are accepted", decoded.cols, decoded.rows));
  }
  Image image{decoded.rows, decoded.cols, {}};
  const size_t row_bytes = static_cast<size_t>(decoded.cols) * 3;
  image.pixels.resize(row_bytes * static_cast<size_t>(decoded.rows));
  for (int row = 0; row < decoded.rows; ++row) {
    const std::span<uint8_t> out(
        image.pixels.data() + row_bytes * static_cast<size_t>(row), row_bytes);
    if (is_wide) {
      copy_row(decoded.ptr<uint16_t>(row), channels, 8, out);
    } else {
      copy_row(decoded.ptr<uint8_t>(row), channels, 0, out);
    }
  }
  return image;
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  cv::Mat bgr(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3);
  for (int row = 0; row < bgr.rows; ++row) {
    // Swapping red and blue works in both directions.
    const uint8_t* rgb = image.pixels.data() + int64_t{row} * image.width * 3;
    copy_row(rgb, 3, 0, std::span(bgr.ptr<uint8_t>(row), static_cast<size_t>(bgr.cols) * 3));
  }
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, quality});
  return bytes;
}

}  // namespace vim::data
