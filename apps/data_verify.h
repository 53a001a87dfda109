// vim_data verify: reads every image of a data set and says what is wrong with it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace vim::apps {

/// Adds the subcommand `verify`. Parsing it sets run, which prints what it finds and returns the
/// exit code; it throws vim::Error if images are bad.
void declare_data_verify(CLI::App& app, std::function<int()>& run);

}  // namespace vim::apps
