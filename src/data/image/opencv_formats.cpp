// PNG, BMP, netpbm, WebP, TIFF and, where OpenCV is new enough, GIF, reduced to 8-bit RGB here
// rather than by OpenCV, so that depth and channels are treated alike for every format.
#include "src/data/image/opencv_formats.h"

#include <algorithm>
#include <climits>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>

#include "src/data/image/declared_size.h"
#include "src/data/image/decode.h"
#include "src/data/image/image_format.h"

namespace vim::data {
namespace {

constexpr char kNoImage[] = "not an image, damaged, or of a format that is not supported";

// Only what a data set may be expected to hold gets as far as OpenCV, which reads more formats than
// can be looked after; and no decompression bomb, for which OpenCV would allocate up to 8 GB.
void check_header(std::span<const uint8_t> bytes) {
  const ImageFormat format = image_format(bytes);
  if (format == ImageFormat::kUnknown) {
    throw BadImage(kNoImage);
  }
  const Size size = declared_size(format, bytes).value_or(Size{});
  const int64_t longer = std::max(size.height, size.width);
  if (longer > kMaxImagePixels || size.height * size.width > kMaxImagePixels) {
    throw BadImage(
        fmt::format("{} x {} pixels are more than are accepted", size.width, size.height));
  }
}

cv::Mat decode_unchanged(std::span<const uint8_t> bytes) {
  if (bytes.size() > INT_MAX) {
    throw BadImage("larger than 2 GiB");
  }
  check_header(bytes);
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

cv::Mat as_bgr(const Image& image) {
  cv::Mat bgr(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3);
  for (int row = 0; row < bgr.rows; ++row) {
    // Swapping red and blue works in both directions.
    const uint8_t* rgb = image.pixels.data() + int64_t{row} * image.width * 3;
    copy_row(rgb, 3, 0, std::span(bgr.ptr<uint8_t>(row), static_cast<size_t>(bgr.cols) * 3));
  }
  return bgr;
}

}  // namespace

Image decode_other_format(std::span<const uint8_t> bytes) {
  const cv::Mat decoded = decode_unchanged(bytes);
  if (decoded.empty()) {
    throw BadImage(kNoImage);
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
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", as_bgr(image), bytes, {cv::IMWRITE_JPEG_QUALITY, quality});
  return bytes;
}

std::vector<uint8_t> encode_png(const Image& image) {
  std::vector<uint8_t> bytes;
  cv::imencode(".png", as_bgr(image), bytes);
  return bytes;
}

}  // namespace vim::data
