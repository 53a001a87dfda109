// Images of a data set by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "src/data/source/dataset.h"

namespace vim::data {

class ImageFinder {
 public:
  /// `dataset` must outlive the finder.
  explicit ImageFinder(const Dataset& dataset);

  /// The number of the image whose file is called `name`, or whose path ends with it. Throws
  /// vim::Error, beginning with `where`, if there is none or more than one.
  int64_t find(const std::string& name, const std::string& where) const;

 private:
  const Dataset& dataset_;
  std::multimap<std::string, int64_t> by_base_;
};

}  // namespace vim::data
