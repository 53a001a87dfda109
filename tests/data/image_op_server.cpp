// image_op_server: applies image operations for a comparison in another language. Each request on
// the standard input is a line
//   NAME HEIGHT WIDTH INTERPOLATION AMOUNT
// (or `resize HEIGHT WIDTH INTERPOLATION OUT_HEIGHT OUT_WIDTH`) and HEIGHT x WIDTH x 3 bytes; the
// answer is the result's bytes. Uncovered pixels become (124, 116, 104). The first argument selects
// a backend of kernels/backend.h.
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "kernels/backend.h"
#include "src/data/image/image_op.h"
#include "src/data/image/resize.h"
#include "tests/support/op_names.h"

namespace {

using vim::data::Image;

Image read_pixels(int64_t height, int64_t width) {
  Image image{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  std::cin.read(
      reinterpret_cast<char*>(image.pixels.data()),
      static_cast<std::streamsize>(image.pixels.size()));
  if (!std::cin) {
    throw std::runtime_error("the input ends inside an image");
  }
  return image;
}

Image answer(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  std::string interpolation;
  int64_t height = 0;
  int64_t width = 0;
  words >> name >> height >> width >> interpolation;
  const auto filter = vim::test::interpolation_names().at(interpolation);
  Image image = read_pixels(height, width);
  if (name == "resize") {
    words >> height >> width;
    return vim::data::resize(vim::data::view_of(image), filter, height, width);
  }
  std::string amount;  // of any form that strtod takes
  words >> amount;
  std::vector<uint8_t> scratch;
  vim::data::apply_op(
      {vim::test::op_names().at(name), std::strtod(amount.c_str(), nullptr)},
      vim::data::span_of(image),
      {filter, {124, 116, 104}},
      scratch);
  return image;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && !vim::kernels::select_cpu_backend(argv[1])) {
    std::cerr << "error: " << argv[1] << ": no such backend on this machine\n";
    return 2;
  }
  try {
    std::string line;
    while (std::getline(std::cin, line)) {
      const Image image = answer(line);
      std::fwrite(image.pixels.data(), 1, image.pixels.size(), stdout);
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
