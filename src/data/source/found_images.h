// The images that were found in tar files or folders, on their way into an index. The names of a
// whole ImageNet are kept in one string: a million small allocations less.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vim::data {

struct FoundImage {
  uint64_t name_begin = 0;
  uint64_t offset = 0;
  uint32_t name_length = 0;
  uint32_t length = 0;
  uint32_t source = 0;
  uint32_t label = 0;
};

class FoundImages {
 public:
  /// `name`: path below the data set's root, or from the tar file's beginning.
  void add(std::string_view name, const FoundImage& place);

  std::string_view name(const FoundImage& image) const {
    return std::string_view(names_).substr(image.name_begin, image.name_length);
  }

  /// Forgets the first characters of every name, all of which must be longer.
  void drop_front_of_names(size_t count);

  std::vector<FoundImage> images;
  int64_t num_links = 0;   // left out: links in tar files
  int64_t num_others = 0;  // left out: files that are no images

 private:
  std::string names_;
};

/// The part of a path in front of its last slash, or "".
std::string_view folder_part(std::string_view path);

/// The part of a path behind its last slash.
std::string_view base_part(std::string_view path);

}  // namespace vim::data
