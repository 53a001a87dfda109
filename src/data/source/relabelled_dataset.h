// A data set seen through other class numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/data/source/dataset.h"

namespace vim::data {

/// The same images under other class numbers.
class RelabelledDataset : public Dataset {
 public:
  /// `labels`: by image number. `dataset` must outlive this one.
  RelabelledDataset(
      const Dataset& dataset, std::vector<std::string> class_names, std::vector<int64_t> labels);

  int64_t size() const override { return dataset_.size(); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t index) const override { return labels_.at(static_cast<size_t>(index)); }
  std::string name(int64_t index) const override { return dataset_.name(index); }
  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override {
    return dataset_.fetch(index, buffer);
  }

 private:
  const Dataset& dataset_;
  std::vector<std::string> class_names_;
  std::vector<int64_t> labels_;
};

}  // namespace vim::data
