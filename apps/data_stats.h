// vim_data stats: mean and standard deviation of a data set's colours, for augment.mean and
// augment.std.
#pragma once

#include "apps/image_pass.h"

namespace vim::apps {

struct DataStatsOptions {
  ImagePassOptions pass;
  int64_t img_size = 224;  // of the evaluation view
};

/// Adds the subcommand `stats`, which fills options.
CLI::App* add_data_stats(CLI::App& app, DataStatsOptions& options);

/// Prints the figures and returns the exit code. Bad images are left out, and counted.
int data_stats(const DataStatsOptions& options);

}  // namespace vim::apps
