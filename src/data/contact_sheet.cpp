// Text is OpenCV's; the pictures are copied by hand.
#include "src/data/contact_sheet.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

namespace vim::data {
namespace {

constexpr int kGap = 8;             // pixels around every tile
constexpr int kTextHeight = 18;     // of a line of text
constexpr int kTextBaseline = 13;   // from the top of the line
constexpr int kMinTileWidth = 112;  // tiles are enlarged up to this
constexpr double kTextScale = 0.42;
const cv::Scalar kBackground(24, 24, 24);
const cv::Scalar kTextColour(230, 230, 230);

struct Layout {
  int factor = 1;  // of enlargement
  int tile_height = 0;
  int tile_width = 0;
  int columns = 1;
  int rows = 1;

  cv::Point corner(size_t number) const {
    const int row = static_cast<int>(number) / columns;
    const int column = static_cast<int>(number) % columns;
    return {
        kGap + column * (tile_width + kGap),
        kGap + kTextHeight + row * (tile_height + kTextHeight + kGap)};
  }

  cv::Size size() const {
    const cv::Point end = corner(static_cast<size_t>(rows) * static_cast<size_t>(columns));
    return {kGap + columns * (tile_width + kGap), end.y};
  }
};

Layout plan(const std::vector<SheetTile>& tiles, int64_t columns) {
  const Image& first = tiles.front().image;
  Layout layout;
  layout.factor =
      static_cast<int>(std::max<int64_t>(1, (kMinTileWidth + first.width - 1) / first.width));
  layout.tile_height = static_cast<int>(first.height) * layout.factor;
  layout.tile_width = static_cast<int>(first.width) * layout.factor;
  layout.columns = static_cast<int>(columns);
  layout.rows = static_cast<int>((static_cast<int64_t>(tiles.size()) + columns - 1) / columns);
  return layout;
}

int text_width(const std::string& text) {
  int ignored = 0;
  return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, kTextScale, 1, &ignored).width;
}

// `corner`: the upper left one of the line.
void write_text(cv::Mat& sheet, std::string text, const cv::Point& corner, int width) {
  while (!text.empty() && text_width(text) > width) {
    text.pop_back();
  }
  cv::putText(
      sheet,
      text,
      corner + cv::Point(0, kTextBaseline),
      cv::FONT_HERSHEY_SIMPLEX,
      kTextScale,
      kTextColour,
      1,
      cv::LINE_AA);
}

void copy_tile(const Image& image, int factor, const cv::Point& corner, cv::Mat& sheet) {
  for (int y = 0; y < static_cast<int>(image.height) * factor; ++y) {
    const uint8_t* in = image.pixels.data() + int64_t{y / factor} * image.width * 3;
    uint8_t* out = sheet.ptr<uint8_t>(corner.y + y) + int64_t{corner.x} * 3;
    for (int x = 0; x < static_cast<int>(image.width) * factor; ++x) {
      std::copy_n(in + int64_t{x / factor} * 3, 3, out + int64_t{x} * 3);
    }
  }
}

}  // namespace

Image contact_sheet(
    const std::vector<SheetTile>& tiles, int64_t columns, const std::string& title) {
  const Layout layout = plan(tiles, columns);
  // Red comes first in it, as everywhere here; OpenCV's drawing does not mind.
  cv::Mat sheet(layout.size(), CV_8UC3, kBackground);
  write_text(sheet, title, {kGap, kGap / 2}, sheet.cols - 2 * kGap);
  for (size_t i = 0; i < tiles.size(); ++i) {
    const cv::Point corner = layout.corner(i);
    copy_tile(tiles[i].image, layout.factor, corner, sheet);
    write_text(sheet, tiles[i].label, corner + cv::Point(0, layout.tile_height), layout.tile_width);
  }
  return {sheet.rows, sheet.cols, {sheet.datastart, sheet.dataend}};
}

}  // namespace vim::data
