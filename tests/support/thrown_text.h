// The text of a user's error, to look for names in it.
#pragma once

#include <string>

#include "src/core/error.h"

namespace vim::test {

/// What the vim::Error thrown by `action` says; "nothing was thrown" if it throws none.
template <typename Action>
std::string thrown_text(Action&& action) {
  try {
    action();
  } catch (const vim::Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// True if `text` holds `part`.
inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace vim::test
