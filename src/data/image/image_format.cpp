// Formats by their signatures.
#include "src/data/image/image_format.h"

#include <algorithm>
#include <array>

namespace vim::data {
namespace {

using namespace std::string_view_literals;

bool begins_with(std::span<const uint8_t> bytes, std::string_view signature, size_t at = 0) {
  return bytes.size() >= at + signature.size() &&
         std::equal(
             signature.begin(),
             signature.end(),
             bytes.begin() + static_cast<int64_t>(at),
             [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

struct Signature {
  ImageFormat format;
  std::string_view bytes;
};

constexpr std::array<Signature, 7> kSignatures = {{
    {ImageFormat::kJpeg, "\xFF\xD8\xFF"sv},
    {ImageFormat::kPng, "\x89PNG\r\n\x1A\n"sv},
    {ImageFormat::kBmp, "BM"sv},
    {ImageFormat::kGif, "GIF87a"sv},
    {ImageFormat::kGif, "GIF89a"sv},
    {ImageFormat::kTiff, "II*\0"sv},
    {ImageFormat::kTiff, "MM\0*"sv},
}};

bool is_netpbm(std::span<const uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         std::string_view(" \t\r\n").find(static_cast<char>(bytes[2])) != std::string_view::npos;
}

}  // namespace

ImageFormat image_format(std::span<const uint8_t> bytes) {
  for (const Signature& signature : kSignatures) {
    if (begins_with(bytes, signature.bytes)) {
      return signature.format;
    }
  }
  if (begins_with(bytes, "RIFF") && begins_with(bytes, "WEBP", 8)) {
    return ImageFormat::kWebp;
  }
  return is_netpbm(bytes) ? ImageFormat::kNetpbm : ImageFormat::kUnknown;
}

std::string_view format_name(ImageFormat format) {
  constexpr std::array<std::string_view, kNumImageFormats> kNames = {
      "unknown", "pixels", "jpeg", "png", "bmp", "gif", "webp", "tiff", "netpbm"};
  return kNames.at(static_cast<size_t>(format));
}

}  // namespace vim::data
