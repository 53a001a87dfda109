// Which images a subset has depends on the data set alone, not on the training seed: runs that
// differ in their seed see the same images.
#include "src/data/subset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/core/error.h"
#include "src/data/sampler.h"
#include "src/data/source/image_finder.h"
#include "src/data/source/text_lines.h"

namespace vim::data {

SubsetDataset::SubsetDataset(std::unique_ptr<Dataset> whole, std::vector<int64_t> indices)
    : whole_(std::move(whole)), indices_(std::move(indices)) {}

std::vector<int64_t> draw_subset(const Dataset& dataset, double fraction) {
  std::vector<int64_t> chosen;
  for (const std::vector<int64_t>& images : images_by_class(dataset)) {
    const auto size = static_cast<int64_t>(images.size());
    const auto wanted = static_cast<size_t>(std::ceil(fraction * static_cast<double>(size)));
    const std::vector<int64_t> order = torch_randperm(size, /*seed=*/0);
    for (size_t i = 0; i < std::min(wanted, order.size()); ++i) {
      chosen.push_back(images[static_cast<size_t>(order[i])]);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int64_t> read_subset(const Dataset& dataset, const std::string& path) {
  const ImageFinder finder(dataset);
  std::vector<bool> is_chosen(static_cast<size_t>(dataset.size()), false);
  for (const TextLine& line : read_text_lines(path)) {
    const std::string where = fmt::format("{}:{}", path, line.number);
    const auto image = static_cast<size_t>(finder.find(line.words.front(), where));
    if (is_chosen[image]) {
      throw Error(fmt::format("{}: {} is named before; name it once", where, line.words.front()));
    }
    is_chosen[image] = true;
  }
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < is_chosen.size(); ++i) {
    if (is_chosen[i]) {
      chosen.push_back(static_cast<int64_t>(i));
    }
  }
  if (chosen.empty()) {
    throw Error(fmt::format("{}: names no images; give a line for each", path));
  }
  return chosen;
}

}  // namespace vim::data
