// Bytes that a file system did not give.
#pragma once

#include <string>

#include "src/core/error.h"

namespace vim::data {

/// A file, or a place in one, cannot be read. The text names it and says what to do, as every
/// vim::Error; reason() is the cause alone. Where the file holds an image, data.on_bad_image
/// decides.
class ReadError : public Error {
 public:
  ReadError(const std::string& text, std::string reason);

  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

}  // namespace vim::data
