// Names are looked up by their last part, which nearly always tells them apart.
#include "src/data/source/image_finder.h"

#include <fmt/format.h>

#include <vector>

#include "src/core/error.h"
#include "src/data/source/found_images.h"

namespace vim::data {
namespace {

// Whether `name` is the path or its last parts.
bool is_end_of_path(const std::string& path, const std::string& name) {
  return path.ends_with(name) &&
         (path.size() == name.size() || path[path.size() - name.size() - 1] == '/');
}

}  // namespace

ImageFinder::ImageFinder(const Dataset& dataset) : dataset_(dataset) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    by_base_.emplace(base_part(dataset.name(i)), i);
  }
}

int64_t ImageFinder::find(const std::string& name, const std::string& where) const {
  std::vector<int64_t> found;
  const auto [begin, end] = by_base_.equal_range(std::string(base_part(name)));
  for (auto item = begin; item != end; ++item) {
    if (is_end_of_path(dataset_.name(item->second), name)) {
      found.push_back(item->second);
    }
  }
  if (found.size() == 1) {
    return found.front();
  }
  throw Error(
      found.empty()
          ? fmt::format("{}: there is no image {}; name images of the data set", where, name)
          : fmt::format(
                "{}: {} images are called {}; write their folders too", where, found.size(), name));
}

}  // namespace vim::data
