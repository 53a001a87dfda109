// What is logged while a test looks on.
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

namespace vim::test {

/// Takes the place of the default logger as long as it lives; any thread may log.
class LogCapture {
 public:
  LogCapture() {
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_);
    const auto logger = std::make_shared<spdlog::logger>("capture", sink);
    logger->set_pattern("%v");
    spdlog::set_default_logger(logger);
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// Lines without time and level; to be asked for when nobody logs.
  std::string text() const { return stream_.str(); }

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream stream_;
};

}  // namespace vim::test
