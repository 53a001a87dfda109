// What a build without OpenCV answers where OpenCV would be needed.
#include "src/core/error.h"
#include "src/data/contact_sheet.h"
#include "src/data/image/decode.h"
#include "src/data/image/opencv_formats.h"
#include "src/data/shapes.h"

namespace vim::data {

Image decode_other_format(std::span<const uint8_t> /*bytes*/) {
  throw BadImage("not a JPEG file, and this build has no OpenCV to read other formats");
}

std::vector<uint8_t> encode_jpeg(const Image& /*image*/, int /*quality*/) {
  throw Error("encode_jpeg: this build has no OpenCV; build with -DVIM_OPENCV=ON");
}

std::vector<uint8_t> encode_png(const Image& /*image*/) {
  throw Error("encode_png: this build has no OpenCV; build with -DVIM_OPENCV=ON");
}

Image contact_sheet(
    const std::vector<SheetTile>& /*tiles*/, int64_t /*columns*/, const std::string& /*title*/) {
  throw Error("preview: this build has no OpenCV; build with -DVIM_OPENCV=ON");
}

Image draw_shape(int64_t /*class_index*/, int64_t /*size*/, const core::RandomKey& /*key*/) {
  throw Error("make-shapes: this build has no OpenCV; build with -DVIM_OPENCV=ON");
}

}  // namespace vim::data
