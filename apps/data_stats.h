// vim_data stats: mean and standard deviation of a data set's colours, for augment.mean and
// augment.std.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace vim::apps {

/// Adds the subcommand `stats`. Parsing it sets run, which prints the figures and returns the exit
/// code; bad images are left out, and counted.
void declare_data_stats(CLI::App& app, std::function<int()>& run);

}  // namespace vim::apps
