// libjpeg's compressor with its default error handling: a failure here ends the test program.
#include "tests/data/jpeg_writer.h"

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

namespace vim::test {
namespace {

// "Exif", then a TIFF directory whose only entry is the orientation, at kOrientationAt.
constexpr std::array<uint8_t, 32> kExif = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0,
                                           0,   0,   8,   0,   1, 1, 18,  0,   3, 0,  0,
                                           0,   1,   0,   0,   0, 0, 0,   0,   0, 0};
constexpr size_t kOrientationAt = 25;

void write_exif(jpeg_compress_struct& info, int orientation) {
  std::array<uint8_t, kExif.size()> exif = kExif;
  exif[kOrientationAt] = static_cast<uint8_t>(orientation);
  jpeg_write_marker(&info, JPEG_APP0 + 1, exif.data(), exif.size());
}

void configure(jpeg_compress_struct& info, const JpegRecipe& recipe) {
  info.image_width = static_cast<JDIMENSION>(recipe.width);
  info.image_height = static_cast<JDIMENSION>(recipe.height);
  info.input_components = num_channels(recipe.kind);
  info.in_color_space = info.input_components == 4   ? JCS_CMYK
                        : info.input_components == 1 ? JCS_GRAYSCALE
                                                     : JCS_RGB;
  jpeg_set_defaults(&info);
  if (recipe.kind == JpegKind::kAdobeYcck) {
    jpeg_set_colorspace(&info, JCS_YCCK);
  }
  jpeg_set_quality(&info, recipe.quality, TRUE);
  info.comp_info[0].h_samp_factor = recipe.h_samp;
  info.comp_info[0].v_samp_factor = recipe.v_samp;
  info.restart_interval = static_cast<unsigned>(recipe.restart_interval);
  if (recipe.is_progressive) {
    jpeg_simple_progression(&info);
  }
}

// A sequential scan for each component.
std::vector<jpeg_scan_info> single_scans(int num_components) {
  std::vector<jpeg_scan_info> scans;
  for (int i = 0; i < num_components; ++i) {
    scans.push_back({1, {i}, 0, 63, 0, 0});
  }
  return scans;
}

}  // namespace

int num_channels(JpegKind kind) {
  switch (kind) {
    case JpegKind::kGrey:
      return 1;
    case JpegKind::kRgb:
      return 3;
    default:
      return 4;
  }
}

std::vector<uint8_t> write_jpeg(const JpegRecipe& recipe, const std::vector<uint8_t>& pixels) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type
  jpeg_mem_dest(&info, &bytes, &size);
  configure(info, recipe);
  const std::vector<jpeg_scan_info> scans = single_scans(info.num_components);
  if (!recipe.is_one_scan) {
    info.scan_info = scans.data();
    info.num_scans = info.num_components;
  }
  jpeg_start_compress(&info, TRUE);
  if (recipe.orientation != 0) {
    write_exif(info, recipe.orientation);
  }
  const size_t row_bytes = static_cast<size_t>(recipe.width * info.input_components);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<uint8_t*>(pixels.data() + row_bytes * info.next_scanline);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::vector<uint8_t> result(bytes, bytes + size);
  std::free(bytes);
  return result;
}

std::vector<uint8_t> write_plain_jpeg(
    const JpegRecipe& recipe, const std::vector<uint8_t>& colour) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < recipe.height * recipe.width; ++i) {
    pixels.insert(pixels.end(), colour.begin(), colour.end());
  }
  return write_jpeg(recipe, pixels);
}

std::vector<uint8_t> write_some_jpeg(int height, int width, int seed) {
  std::vector<uint8_t> pixels;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      pixels.push_back(static_cast<uint8_t>(255 * x / width));
      pixels.push_back(static_cast<uint8_t>(255 * y / height));
      pixels.push_back(static_cast<uint8_t>(seed * 37));
    }
  }
  JpegRecipe recipe;
  recipe.height = height;
  recipe.width = width;
  return write_jpeg(recipe, pixels);
}

}  // namespace vim::test
