#include "src/data/source/read_error.h"

#include <utility>

namespace vim::data {

ReadError::ReadError(const std::string& text, std::string reason)
    : Error(text), reason_(std::move(reason)) {}

}  // namespace vim::data
