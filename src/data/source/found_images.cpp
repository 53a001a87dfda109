#include "src/data/source/found_images.h"

#include <algorithm>

namespace vim::data {

void FoundImages::add(std::string_view name, const FoundImage& place) {
  images.push_back(place);
  images.back().name_begin = names_.size();
  images.back().name_length = static_cast<uint32_t>(name.size());
  names_ += name;
}

void FoundImages::drop_front_of_names(size_t count) {
  for (FoundImage& image : images) {
    image.name_begin += count;
    image.name_length -= static_cast<uint32_t>(count);
  }
}

std::string_view folder_part(std::string_view path) {
  const size_t slash = path.rfind('/');
  return path.substr(0, slash == std::string_view::npos ? 0 : slash);
}

std::string_view base_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace vim::data
