// Where pictures and labels land on a sheet.
#include "src/data/contact_sheet.h"

#include <algorithm>

#include "src/data/image/decode.h"
#include "src/data/image/opencv_formats.h"
#include "tests/support/catch.h"

namespace {

using vim::data::Box;
using vim::data::Image;
using vim::data::SheetTile;

// One colour everywhere, which no text on the sheet has.
SheetTile plain_tile(int64_t height, int64_t width, uint8_t colour, const std::string& label) {
  Image image{height, width, {}};
  for (int64_t i = 0; i < height * width; ++i) {
    image.pixels.insert(image.pixels.end(), {colour, 0, 255});
  }
  return {image, label};
}

// The smallest box around all pixels of that tile's colour, which must fill it.
Box find_tile(const Image& sheet, uint8_t colour) {
  int64_t top = sheet.height, left = sheet.width, bottom = -1, right = -1, count = 0;
  for (int64_t y = 0; y < sheet.height; ++y) {
    for (int64_t x = 0; x < sheet.width; ++x) {
      const uint8_t* pixel = &sheet.pixels[static_cast<size_t>((y * sheet.width + x) * 3)];
      if (pixel[0] == colour && pixel[1] == 0 && pixel[2] == 255) {
        top = std::min(top, y);
        left = std::min(left, x);
        bottom = std::max(bottom, y);
        right = std::max(right, x);
        ++count;
      }
    }
  }
  const Box box{top, left, bottom - top + 1, right - left + 1};
  CHECK(count == box.height * box.width);
  return box;
}

// Pixels below the tile, up to the next one, that are not background.
int64_t count_text_pixels(const Image& sheet, const Box& tile) {
  int64_t count = 0;
  for (int64_t y = tile.top + tile.height; y < std::min(sheet.height, tile.top + tile.height + 18);
       ++y) {
    for (int64_t x = tile.left; x < tile.left + tile.width; ++x) {
      count += sheet.pixels[static_cast<size_t>((y * sheet.width + x) * 3)] > 100 ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("Tiles stand in rows from left to right at their own size") {
  std::vector<SheetTile> tiles;
  for (uint8_t i = 0; i < 5; ++i) {
    tiles.push_back(plain_tile(120, 130, i, "label"));
  }
  const Image sheet = vim::data::contact_sheet(tiles, 3, "title");
  Box before{};
  for (uint8_t i = 0; i < 5; ++i) {
    const Box box = find_tile(sheet, i);
    CHECK(box.height == 120);
    CHECK(box.width == 130);
    if (i > 0 && i != 3) {
      CHECK(box.top == before.top);
      CHECK(box.left > before.left + before.width);
    }
    before = box;
  }
  CHECK(find_tile(sheet, 3).left == find_tile(sheet, 0).left);
  CHECK(find_tile(sheet, 3).top > find_tile(sheet, 0).top + 120);
}

TEST_CASE("Small tiles are enlarged by a whole factor, pixel by pixel") {
  SheetTile tile = plain_tile(32, 32, 7, "");
  std::fill_n(tile.image.pixels.begin(), 3, uint8_t{200});
  const Image sheet = vim::data::contact_sheet({tile}, 1, "");
  int64_t num_white = 0;
  for (size_t i = 0; i < sheet.pixels.size(); i += 3) {
    num_white += sheet.pixels[i] == 200 && sheet.pixels[i + 1] == 200 ? 1 : 0;
  }
  CHECK(num_white == 16);  // 4 x 4: 128 pixels are the first multiple of 32 from 112 on
}

TEST_CASE("Each tile has its own label, inside its width") {
  const Image sheet = vim::data::contact_sheet(
      {plain_tile(120, 120, 1, ""),
       plain_tile(120, 120, 2, "7 cat"),
       plain_tile(120, 120, 3, std::string(200, 'W'))},
      3,
      "");
  CHECK(count_text_pixels(sheet, find_tile(sheet, 1)) == 0);
  const int64_t short_label = count_text_pixels(sheet, find_tile(sheet, 2));
  CHECK(short_label > 20);
  CHECK(count_text_pixels(sheet, find_tile(sheet, 3)) > short_label);
  const Box last = find_tile(sheet, 3);
  const Box beside{last.top, last.left + last.width, last.height, sheet.width - last.left - 120};
  CHECK(count_text_pixels(sheet, beside) == 0);
}

TEST_CASE("PNG gives back every pixel") {
  const Image sheet = vim::data::contact_sheet({plain_tile(9, 13, 1, "one")}, 1, "title");
  const Image decoded = vim::data::decode_image(vim::data::encode_png(sheet));
  CHECK(decoded.height == sheet.height);
  CHECK(decoded.width == sheet.width);
  CHECK(decoded.pixels == sheet.pixels);
}
