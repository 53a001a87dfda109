// vim_data preview: a picture of what the loader makes of a run's training images.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace vim::apps {

/// Adds the subcommand `preview`. Parsing it sets run, which writes the sheet and returns the exit
/// code; it throws vim::Error as vim_train does for the configuration and the images.
void declare_data_preview(CLI::App& app, std::function<int()>& run);

}  // namespace vim::apps
