// What stands between the source and the sampler.
#include "src/data/training_set.h"

#include <utility>

#include "src/core/logging.h"
#include "src/data/cached_dataset.h"
#include "src/data/subset.h"

namespace vim::data {

namespace {

std::unique_ptr<Dataset> open_subset(const DataOptions& options) {
  std::unique_ptr<Dataset> dataset = open_dataset(train_location(options));
  const bool has_list = !options.subset_list.empty();
  if (!has_list && options.subset == 1.0) {
    return dataset;
  }
  std::vector<int64_t> chosen =
      has_list ? read_subset(*dataset, options.subset_list) : draw_subset(*dataset, options.subset);
  spdlog::info("training on {} of {} images", chosen.size(), dataset->size());
  return std::make_unique<SubsetDataset>(std::move(dataset), std::move(chosen));
}

}  // namespace

std::unique_ptr<Dataset> open_training_set(const DataOptions& options) {
  return with_cache(open_subset(options), options);
}

std::unique_ptr<Dataset> open_evaluation_set(const DataOptions& options) {
  return with_cache(open_dataset(val_location(options)), options);
}

}  // namespace vim::data
