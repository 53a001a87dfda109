#include "src/data/source/relabelled_dataset.h"

#include <stdexcept>
#include <utility>

namespace vim::data {

RelabelledDataset::RelabelledDataset(
    const Dataset& dataset, std::vector<std::string> class_names, std::vector<int64_t> labels)
    : dataset_(dataset), class_names_(std::move(class_names)), labels_(std::move(labels)) {
  if (static_cast<int64_t>(labels_.size()) != dataset_.size()) {
    throw std::invalid_argument("RelabelledDataset: needs one label for each image");
  }
}

}  // namespace vim::data
