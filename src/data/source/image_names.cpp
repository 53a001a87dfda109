// The endings that torchvision's ImageFolder knows.
#include "src/data/source/image_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace vim::data {
namespace {

constexpr std::array<std::string_view, 9> kEndings = {
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};

bool has_ending(std::string_view name, std::string_view ending) {
  return name.size() >= ending.size() &&
         std::equal(
             ending.rbegin(), ending.rend(), name.rbegin(), [](char expected, unsigned char c) {
               return expected == static_cast<char>(std::tolower(c));
             });
}

}  // namespace

bool is_image_name(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return !name.starts_with("._") &&
         std::any_of(kEndings.begin(), kEndings.end(), [name](std::string_view ending) {
           return has_ending(name, ending);
         });
}

std::string image_endings() { return fmt::format("{}", fmt::join(kEndings, " ")); }

}  // namespace vim::data
