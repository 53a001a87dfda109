// Some images of a data set, as a data set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/data/source/dataset.h"

namespace vim::data {

/// The images of the given numbers, in that order, under the class numbers of the whole set.
class SubsetDataset : public Dataset {
 public:
  SubsetDataset(std::unique_ptr<Dataset> whole, std::vector<int64_t> indices);

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const std::vector<std::string>& class_names() const override { return whole_->class_names(); }
  int64_t label(int64_t index) const override { return whole_->label(of_whole(index)); }
  std::string name(int64_t index) const override { return whole_->name(of_whole(index)); }
  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override {
    return whole_->fetch(of_whole(index), buffer);
  }

 private:
  int64_t of_whole(int64_t index) const { return indices_.at(static_cast<size_t>(index)); }

  std::unique_ptr<Dataset> whole_;
  std::vector<int64_t> indices_;
};

/// That fraction of each class, rounded up, drawn at random but always the same; ascending.
/// 0 < fraction <= 1. A smaller fraction draws some of a larger one's.
std::vector<int64_t> draw_subset(const Dataset& dataset, double fraction);

/// The images that a text file names, a line each; ascending. Names as in label files; what follows
/// a name is passed over. Throws vim::Error with file and line for a name that is not there, or is
/// there twice.
std::vector<int64_t> read_subset(const Dataset& dataset, const std::string& path);

}  // namespace vim::data
