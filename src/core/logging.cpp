// The default logger's sink and pattern.
#include "src/core/logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace vim::core {

void init_logging() {
  auto logger = std::make_shared<spdlog::logger>(
      "vim", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%H:%M:%S %^%l%$ %v");
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace vim::core
