// Logging through spdlog: one logger, plain lines on standard error.
#pragma once

#include <spdlog/spdlog.h>

namespace vim::core {

/// Routes spdlog's default logger to standard error as `HH:MM:SS level text`. Call once, first in
/// main.
void init_logging();

}  // namespace vim::core
