// vim_data index: makes the index of tar files or of an image folder ahead of time.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace vim::apps {

/// Declares the command. Where it is the one that was asked for, parsing sets `run` to what does
/// it and gives the exit code.
void declare_data_index(CLI::App& app, std::function<int()>& run);

}  // namespace vim::apps
