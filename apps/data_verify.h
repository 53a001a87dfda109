// vim_data verify: reads every image of a data set and says what is wrong with it.
#pragma once

#include "apps/image_pass.h"

namespace vim::apps {

/// Adds the subcommand `verify`, which fills options.
CLI::App* add_data_verify(CLI::App& app, ImagePassOptions& options);

/// Prints what it finds and returns the exit code. Throws vim::Error if images are bad.
int data_verify(const ImagePassOptions& options);

}  // namespace vim::apps
