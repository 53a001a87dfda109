// Image files named one by one, without labels: what prediction reads.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "src/data/source/dataset.h"

namespace vim::data {

/// The files in the given order; every label is 0. A file that cannot be read or decoded becomes a
/// black pixel, so that the others of its batch go on, and is listed in problems().
class ImageFiles : public Dataset {
 public:
  explicit ImageFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  int64_t size() const override { return static_cast<int64_t>(paths_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t index) const override;
  std::string name(int64_t index) const override;
  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override;

  /// By image number what is wrong with it and what to do, "FILE: ...; ...", of the images read so
  /// far.
  std::map<int64_t, std::string> problems() const;

 private:
  std::vector<std::string> paths_;
  std::vector<std::string> class_names_;  // none
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::string> problems_;
};

}  // namespace vim::data
