// The images that a configuration asks for.
#pragma once

#include <memory>

#include "src/data/data_options.h"
#include "src/data/source/dataset.h"

namespace vim::data {

/// Opens train_location(options), takes the subset of it that the options name, and keeps its
/// images in memory if they ask for that. Throws vim::Error as open_dataset and read_subset do.
std::unique_ptr<Dataset> open_training_set(const DataOptions& options);

/// Opens val_location(options), its images kept in memory likewise.
std::unique_ptr<Dataset> open_evaluation_set(const DataOptions& options);

}  // namespace vim::data
