// Many small pictures on one sheet, each with a line of text below.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/data/image/image.h"

namespace vim::data {

struct SheetTile {
  Image image;  // all of a sheet have one size
  std::string label;
};

/// A dark sheet with `title` on top and the tiles in rows of `columns`, from left to right. Small
/// pictures are enlarged by a whole factor, pixel by pixel, until there is room for a label; a
/// label that is still too long is cut off. Characters that are not ASCII become question marks.
/// columns >= 1, and at least one tile. Throws vim::Error in a build without OpenCV.
Image contact_sheet(const std::vector<SheetTile>& tiles, int64_t columns, const std::string& title);

}  // namespace vim::data
