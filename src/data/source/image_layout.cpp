// Numbers and order are those of an image folder, so that packed and unpacked sets give the same
// batches.
#include "src/data/source/image_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "src/core/error.h"

namespace vim::data {
namespace {

// Numbers names as they come; sorted numbers follow at the end.
class ClassNumbers {
 public:
  uint32_t add(std::string_view name) {
    if (last_ == numbers_.end() || last_->first != name) {
      last_ = numbers_.find(name);
      if (last_ == numbers_.end()) {
        last_ = numbers_.emplace(name, static_cast<uint32_t>(numbers_.size())).first;
      }
    }
    return last_->second;
  }

  // Makes `labels`, as given by add(), numbers in the order of the names.
  ImageLabels finish(std::vector<uint32_t> labels) const {
    ImageLabels result;
    std::vector<uint32_t> sorted(numbers_.size());
    for (const auto& [name, number] : numbers_) {
      sorted[number] = static_cast<uint32_t>(result.classes.size());
      result.classes.push_back(name);
    }
    for (uint32_t& label : labels) {
      label = sorted[label];
    }
    result.labels = std::move(labels);
    return result;
  }

 private:
  using Numbers = std::map<std::string, uint32_t, std::less<>>;
  Numbers numbers_;
  Numbers::iterator last_ = numbers_.end();
};

}  // namespace

ImageLabels labels_of_folders(FoundImages& found) {
  const size_t before = found.images.size();
  std::erase_if(found.images, [&found](const FoundImage& image) {
    return found.name(image).find('/') == std::string_view::npos;
  });
  found.num_others += static_cast<int64_t>(before - found.images.size());
  ClassNumbers numbers;
  std::vector<uint32_t> labels;
  labels.reserve(found.images.size());
  for (const FoundImage& image : found.images) {
    const std::string_view name = found.name(image);
    labels.push_back(numbers.add(name.substr(0, name.find('/'))));
  }
  return numbers.finish(std::move(labels));
}

ImageLabels number_classes(const std::vector<std::string>& names) {
  ClassNumbers numbers;
  std::vector<uint32_t> labels;
  labels.reserve(names.size());
  for (const std::string& name : names) {
    labels.push_back(numbers.add(name));
  }
  return numbers.finish(std::move(labels));
}

void arrange_images(
    FoundImages& found,
    const std::vector<uint32_t>& labels,
    const std::vector<std::string>& source_names,
    const std::string& where) {
  for (size_t i = 0; i < labels.size(); ++i) {
    found.images[i].label = labels[i];
  }
  const auto key = [&found](const FoundImage& image) {
    const std::string_view name = found.name(image);
    return std::tuple(image.label, folder_part(name), base_part(name));
  };
  const auto is_before = [&key](const auto& a, const auto& b) { return key(a) < key(b); };
  if (!std::is_sorted(found.images.begin(), found.images.end(), is_before)) {
    std::sort(found.images.begin(), found.images.end(), is_before);
  }
  const auto twin = std::adjacent_find(
      found.images.begin(), found.images.end(), [&key](const auto& a, const auto& b) {
        return key(a) == key(b);
      });
  if (twin == found.images.end()) {
    return;
  }
  const auto [first, second] = std::minmax(twin[0].source, twin[1].source);
  throw Error(fmt::format(
      "{}: {} lies in {}; keep one of them",
      where,
      found.name(twin[0]),
      first == second ? source_names[first] + " twice"
                      : source_names[first] + " and in " + source_names[second]));
}

}  // namespace vim::data
