// Files as they occur among millions of others: cut short, misnamed, of strange shapes, with
// orientations, or claiming sizes they do not have. What comes of each is what PIL's
// open(..).convert("RGB") gives, or BadImage.
#include <algorithm>
#include <fstream>
#include <numeric>
#include <opencv2/imgcodecs.hpp>
#include <random>

#include "src/data/image/decode.h"
#include "src/data/source/dataset.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

namespace {

using vim::data::BadImage;
using vim::data::decode_image;
using vim::data::Image;
using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes text(const std::string& characters) { return {characters.begin(), characters.end()}; }

Bytes little_endian(uint64_t value, int length) {
  Bytes bytes;
  for (int i = 0; i < length; ++i) {
    bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  return bytes;
}

Bytes big_endian(uint64_t value, int length) {
  Bytes bytes = little_endian(value, length);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

Bytes encode(const std::string& extension, const cv::Mat& picture) {
  Bytes bytes;
  REQUIRE(cv::imencode(extension, picture, bytes));
  return bytes;
}

// Why the bytes are bad; "decoded" if they are not.
std::string reason_of(const Bytes& bytes) {
  try {
    decode_image(bytes);
  } catch (const BadImage& bad) {
    return bad.what();
  }
  return "decoded";
}

// Where the segments of a JPEG file begin: places of FF followed by a marker. A marker in a segment
// of known length is none, nor is FF 00, a restart marker or a filling FF in coded data.
std::vector<size_t> marker_places(const Bytes& jpeg) {
  std::vector<size_t> places = {0};
  constexpr uint8_t kEndOfImage = 0xD9;
  for (size_t at = 2; at + 1 < jpeg.size();) {
    if (jpeg[at] != 0xFF || jpeg[at + 1] == 0 || (jpeg[at + 1] >= 0xD0 && jpeg[at + 1] <= 0xD7)) {
      ++at;  // coded data
      continue;
    }
    places.push_back(at);
    if (jpeg[at + 1] == kEndOfImage) {
      break;
    }
    at += 2U + (size_t{jpeg[at + 2]} << 8 | jpeg[at + 3]);
  }
  return places;
}

// Headers alone, of files that would hold so many pixels.
Bytes png_header(uint32_t width, uint32_t height) {
  return text("\x89PNG\r\n\x1A\n") + big_endian(13, 4) + text("IHDR") + big_endian(width, 4) +
         big_endian(height, 4) + Bytes{8, 2, 0, 0, 0, 0, 0, 0, 0};
}

Bytes bmp_header(int32_t width, int32_t height) {
  return text("BM") + little_endian(70, 4) + little_endian(0, 4) + little_endian(54, 4) +
         little_endian(40, 4) + little_endian(static_cast<uint32_t>(width), 4) +
         little_endian(static_cast<uint32_t>(height), 4) + little_endian(1, 2) +
         little_endian(24, 2) + Bytes(24);
}

Bytes old_bmp_header(uint32_t width, uint32_t height) {
  return text("BM") + little_endian(70, 4) + little_endian(0, 4) + little_endian(26, 4) +
         little_endian(12, 4) + little_endian(width, 2) + little_endian(height, 2) +
         little_endian(1, 2) + little_endian(24, 2) + Bytes(24);
}

Bytes gif_header(uint32_t width, uint32_t height) {
  return text("GIF89a") + little_endian(width, 2) + little_endian(height, 2) + Bytes(20);
}

Bytes webp_header(uint32_t width, uint32_t height) {
  return text("RIFF") + little_endian(40, 4) + text("WEBPVP8X") + little_endian(10, 4) +
         Bytes{0, 0, 0, 0} + little_endian(width - 1, 3) + little_endian(height - 1, 3) + Bytes(20);
}

Bytes little_tiff_header(uint32_t width, uint32_t height) {
  return text("II*") + Bytes{0} + little_endian(8, 4) + little_endian(2, 2) +
         little_endian(256, 2) + little_endian(4, 2) + little_endian(1, 4) +
         little_endian(width, 4) + little_endian(257, 2) + little_endian(3, 2) +
         little_endian(1, 4) + little_endian(height, 4) + Bytes(20);
}

Bytes big_tiff_header(uint32_t width, uint32_t height) {
  return text("MM") + Bytes{0, '*'} + big_endian(8, 4) + big_endian(2, 2) + big_endian(256, 2) +
         big_endian(4, 2) + big_endian(1, 4) + big_endian(width, 4) + big_endian(257, 2) +
         big_endian(3, 2) + big_endian(1, 4) + big_endian(height, 2) + Bytes(20);
}

Bytes netpbm_header(uint32_t width, uint32_t height) {
  return text("P6\n# comment 1 2\n") + text(std::to_string(width)) + text(" ") +
         text(std::to_string(height)) + text("\n255\nabcdef");
}

Bytes jpeg_header(uint32_t width, uint32_t height) {
  Bytes bytes = vim::test::write_some_jpeg(24, 24, 2);
  const Bytes start_of_frame = {0xFF, 0xC0};
  auto at = std::search(bytes.begin(), bytes.end(), start_of_frame.begin(), start_of_frame.end());
  const Bytes size = big_endian(height, 2) + big_endian(width, 2);
  std::copy(size.begin(), size.end(), at + 5);
  return bytes;
}

void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<int64_t>(bytes.size()));
}

// Height x width, all of one colour in the order blue, green, red.
cv::Mat plain_picture(int height, int width) { return {height, width, CV_8UC3, {30, 20, 10}}; }

bool is_plain(const Image& image) {
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    if (image.pixels[i] != 10 * (i % 3 + 1)) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("A JPEG cut at any marker is bad") {
  vim::test::JpegRecipe recipe;
  recipe.height = 40;
  recipe.width = 56;
  recipe.is_progressive = GENERATE(false, true);
  recipe.kind = GENERATE(
      vim::test::JpegKind::kRgb, vim::test::JpegKind::kGrey, vim::test::JpegKind::kAdobeYcck);
  Bytes pixels(static_cast<size_t>(40 * 56 * vim::test::num_channels(recipe.kind)));
  std::mt19937 generator(5);
  std::generate(
      pixels.begin(), pixels.end(), [&] { return static_cast<uint8_t>(generator() % 256); });
  const Bytes jpeg = vim::test::write_jpeg(recipe, pixels);
  const std::vector<size_t> places = marker_places(jpeg);
  REQUIRE(places.size() >= (recipe.is_progressive ? 10U : 7U));
  REQUIRE(places.back() == jpeg.size() - 2);
  for (const size_t place : places) {
    for (const size_t length : {place, place + 1, std::min(place + 2, jpeg.size() - 1)}) {
      INFO("first " << length << " of " << jpeg.size() << " bytes");
      CHECK(reason_of({jpeg.begin(), jpeg.begin() + static_cast<int64_t>(length)}) != "decoded");
    }
  }
  CHECK(reason_of(jpeg) == "decoded");
}

TEST_CASE("Every EXIF orientation is ignored") {
  vim::test::JpegRecipe recipe;
  recipe.height = 8;
  recipe.width = 16;
  Bytes pixels(8 * 16 * 3);
  std::iota(pixels.begin(), pixels.end(), uint8_t{0});
  const Image plain = decode_image(vim::test::write_jpeg(recipe, pixels));
  recipe.orientation = 6;
  Bytes oriented = vim::test::write_jpeg(recipe, pixels);
  const Bytes exif = text("Exif");
  const auto at = std::search(oriented.begin(), oriented.end(), exif.begin(), exif.end());
  REQUIRE(at != oriented.end());
  REQUIRE(at[25] == 6);
  for (uint8_t orientation = 0; orientation <= 9; ++orientation) {
    at[25] = orientation;
    const Image image = decode_image(oriented);
    CHECK(image.height == 8);
    CHECK(image.width == 16);
    CHECK(image.pixels == plain.pixels);
  }
}

TEST_CASE("A file is read by its contents, whatever its name") {
  const vim::test::TempFolder folder;
  write_file(folder / "class/a.JPEG", encode(".png", plain_picture(3, 4)));
  write_file(folder / "class/b.png", vim::test::write_some_jpeg(5, 6, 1));
  write_file(folder / "class/c.jpg", encode(".bmp", plain_picture(7, 8)));
  write_file(folder / "class/d.bmp", encode(".webp", plain_picture(9, 10)));
  const auto set =
      vim::data::open_dataset({vim::data::DataFormat::kFolder, folder.path().string()});
  REQUIRE(set->size() == 4);
  for (int64_t i = 0; i < 4; ++i) {
    const Image image = vim::data::read_image(*set, i);
    CHECK(image.height == 3 + 2 * i);
    CHECK(image.width == 4 + 2 * i);
  }
  CHECK(is_plain(vim::data::read_image(*set, 0)));
  CHECK(is_plain(vim::data::read_image(*set, 2)));
}

TEST_CASE("Pictures of one pixel and of extreme shapes decode in every lossless format") {
  const auto [height, width] =
      GENERATE(std::pair{1, 1}, std::pair{3, 20000}, std::pair{20000, 3}, std::pair{1, 65500});
  const std::string extension = GENERATE(".png", ".bmp", ".ppm", ".tiff");
  const Image image = decode_image(encode(extension, plain_picture(height, width)));
  CHECK(image.height == height);
  CHECK(image.width == width);
  CHECK(is_plain(image));
}

TEST_CASE("A JPEG of extreme shape keeps its ends in place") {
  const bool is_wide = GENERATE(true, false);
  const int height = is_wide ? 3 : 20000;
  const int width = is_wide ? 20000 : 3;
  const Image image = decode_image(vim::test::write_some_jpeg(height, width, 1));
  REQUIRE(image.pixels.size() == size_t{3} * 20000 * 3);
  const size_t ramp = is_wide ? 0 : 1;  // the channel that grows along the longer side
  CHECK(image.pixels[ramp] <= 4);
  CHECK(image.pixels[image.pixels.size() - 3 + ramp] >= 250);
}

TEST_CASE("16-bit colour with alpha keeps the upper 8 bits and loses the alpha") {
  const cv::Mat picture(1, 1, CV_16UC4, cv::Scalar(0x0102, 0x80FF, 0xFF00, 0x0000));
  CHECK(decode_image(encode(".png", picture)).pixels == Bytes{0xFF, 0x80, 0x01});
}

TEST_CASE("No bytes, zeros, and signatures with nothing behind are bad") {
  CHECK(reason_of({}) == "the file is empty");
  CHECK(reason_of(Bytes(5000)) != "decoded");
  for (const Bytes& beginning :
       {Bytes{0xFF, 0xD8, 0xFF},
        text("\x89PNG\r\n\x1A\n"),
        text("BM"),
        text("GIF89a"),
        text("RIFF1234WEBP"),
        text("II*") + Bytes{0},
        text("MM") + Bytes{0, '*'},
        text("P6\n")}) {
    CHECK(reason_of(beginning) != "decoded");
    CHECK(reason_of(beginning + Bytes(3000)) != "decoded");
  }
}

TEST_CASE("Random bytes behind any signature are bad") {
  std::mt19937 generator(11);
  for (const Bytes& beginning :
       {Bytes{0xFF, 0xD8, 0xFF},
        text("\x89PNG\r\n\x1A\n"),
        text("GIF89a"),
        text("RIFF1234WEBP"),
        text("II*") + Bytes{0},
        text("MM") + Bytes{0, '*'},
        text("P6\n")}) {
    for (int i = 0; i < 50; ++i) {
      Bytes noise(1 + generator() % 1000);
      std::generate(
          noise.begin(), noise.end(), [&] { return static_cast<uint8_t>(generator() % 256); });
      CHECK(reason_of(beginning + noise) != "decoded");
    }
  }
}

TEST_CASE("A header that claims too many pixels is refused before they are allocated") {
  // OpenCV by itself would allocate the second size.
  const auto [width, height] = GENERATE(std::pair{65000U, 65000U}, std::pair{20000U, 20001U});
  const std::string expected =
      std::to_string(width) + " x " + std::to_string(height) + " pixels are more than are accepted";
  CHECK(reason_of(jpeg_header(width, height)) == expected);
  CHECK(reason_of(png_header(width, height)) == expected);
  CHECK(
      reason_of(bmp_header(static_cast<int32_t>(width), static_cast<int32_t>(height))) == expected);
  CHECK(
      reason_of(bmp_header(static_cast<int32_t>(width), -static_cast<int32_t>(height))) ==
      expected);
  CHECK(reason_of(old_bmp_header(width, height)) == expected);
  CHECK(reason_of(gif_header(width, height)) == expected);
  CHECK(reason_of(webp_header(width, height)) == expected);
  CHECK(reason_of(little_tiff_header(width, height)) == expected);
  CHECK(reason_of(big_tiff_header(width, height)) == expected);
  CHECK(reason_of(netpbm_header(width, height)) == expected);
}

TEST_CASE("The largest numbers a header can hold are refused too") {
  CHECK(reason_of(png_header(UINT32_MAX, UINT32_MAX)) != "decoded");
  CHECK(reason_of(bmp_header(INT32_MAX, INT32_MIN)) != "decoded");
  CHECK(reason_of(little_tiff_header(UINT32_MAX, UINT32_MAX)) != "decoded");
  CHECK(reason_of(text("P6\n99999999999999999999999 99999999999999999999999\n255\n")) != "decoded");
}

TEST_CASE("Formats that no data set is expected to hold never reach their decoders") {
  // A Sun raster of one grey pixel, which OpenCV would read.
  const Bytes sun_raster = big_endian(0x59A66A95, 4) + big_endian(1, 4) + big_endian(1, 4) +
                           big_endian(8, 4) + big_endian(2, 4) + big_endian(1, 4) +
                           big_endian(0, 4) + big_endian(0, 4) + Bytes{200, 0};
  REQUIRE_FALSE(cv::imdecode(sun_raster, cv::IMREAD_UNCHANGED).empty());
  CHECK(reason_of(sun_raster) == "not an image, damaged, or of a format that is not supported");
}

TEST_CASE("A progressive JPEG of more scans than any encoder writes is bad") {
  vim::test::JpegRecipe recipe;
  recipe.is_progressive = true;
  const Bytes jpeg = vim::test::write_plain_jpeg(recipe, {1, 2, 3});
  const std::vector<size_t> places = marker_places(jpeg);
  const auto last_scan = jpeg.begin() + static_cast<int64_t>(places[places.size() - 2]);
  REQUIRE(last_scan[1] == 0xDA);
  const Bytes scan(last_scan, jpeg.end() - 2);
  const auto with_scans = [&](int count) {
    Bytes bytes(jpeg.begin(), jpeg.end() - 2);
    for (int i = 0; i < count; ++i) {
      bytes = bytes + scan;
    }
    return bytes + Bytes{0xFF, 0xD9};
  };
  CHECK(reason_of(with_scans(400)) == "decoded");
  CHECK(reason_of(with_scans(600)) == "more than 500 scans");
}
