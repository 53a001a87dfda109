// JPEG files of the unusual kinds that tests need, made with libjpeg.
#pragma once

#include <cstdint>
#include <vector>

namespace vim::test {

enum class JpegKind { kRgb, kGrey, kAdobeCmyk, kAdobeYcck };

struct JpegRecipe {
  int height = 8;
  int width = 8;
  JpegKind kind = JpegKind::kRgb;
  bool is_progressive = false;
  bool has_orientation = false;  // an EXIF block that asks for a quarter turn
};

/// Number of bytes of a pixel.
int num_channels(JpegKind kind);

/// Quality 100, no chroma subsampling. `pixels`: height x width x channels, CMYK as stored
/// (inverted).
std::vector<uint8_t> write_jpeg(const JpegRecipe& recipe, const std::vector<uint8_t>& pixels);

/// The same of one colour everywhere.
std::vector<uint8_t> write_plain_jpeg(const JpegRecipe& recipe, const std::vector<uint8_t>& colour);

/// A valid colour JPEG with smooth content that depends on `seed`.
std::vector<uint8_t> write_some_jpeg(int height, int width, int seed);

}  // namespace vim::test
