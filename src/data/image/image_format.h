// What kind of image file some bytes are, as far as their beginning tells.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vim::data {

/// kPixels: no file at all, but the bare pixels that a data set like CIFAR holds.
enum class ImageFormat { kUnknown, kPixels, kJpeg, kPng, kBmp, kGif, kWebp, kTiff, kNetpbm };

inline constexpr int kNumImageFormats = 9;

/// Judges by the first bytes alone; kUnknown where none fits. Never kPixels.
ImageFormat image_format(std::span<const uint8_t> bytes);

/// A lower-case word: "jpeg".
std::string_view format_name(ImageFormat format);

}  // namespace vim::data
