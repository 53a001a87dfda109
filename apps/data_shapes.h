// vim_data make-shapes: writes the generated image set of the quick start.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace vim::apps {

/// Declares the command. Where it is the one that was asked for, parsing sets `run` to what does
/// it and gives the exit code.
void declare_data_shapes(CLI::App& app, std::function<int()>& run);

}  // namespace vim::apps
