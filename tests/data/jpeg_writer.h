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
  int orientation = 0;  // of an EXIF block; 0: none is written
  int quality = 100;
  int h_samp = 1;  // luma samples for one of chroma, across and down
  int v_samp = 1;
  int restart_interval = 0;  // blocks (MCUs) between restart markers; 0: none
  bool is_one_scan = true;   // false: each component in a scan of its own
};

/// Number of bytes of a pixel.
int num_channels(JpegKind kind);

/// `pixels`: height x width x channels, CMYK as stored
/// (inverted).
std::vector<uint8_t> write_jpeg(const JpegRecipe& recipe, const std::vector<uint8_t>& pixels);

/// The same of one colour everywhere.
std::vector<uint8_t> write_plain_jpeg(const JpegRecipe& recipe, const std::vector<uint8_t>& colour);

/// A valid colour JPEG with smooth content that depends on `seed`.
std::vector<uint8_t> write_some_jpeg(int height, int width, int seed);

}  // namespace vim::test
