// Fuzz target: whatever the text, parsing ends with vim::Error or with a configuration that can be
// printed and read back unchanged.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/config.h"
#include "src/core/error.h"

namespace {

// Every line of the input after the first byte 0x1E is one more `--set`.
std::vector<std::string> take_overrides(std::string_view& text) {
  std::vector<std::string> overrides;
  const size_t mark = text.find('\x1E');
  if (mark == std::string_view::npos) {
    return overrides;
  }
  std::string_view rest = text.substr(mark + 1);
  text = text.substr(0, mark);
  while (!rest.empty() && overrides.size() < 8) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1);
    overrides.emplace_back(rest.substr(0, end + 1));
    rest.remove_prefix(end + 1);
  }
  return overrides;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> overrides = take_overrides(text);
  vim::config::RunConfig config;
  try {
    config = vim::config::parse_config(text, "input", overrides);
  } catch (const vim::Error&) {
    return 0;  // the one way in which bad input may be refused
  }
  const std::string printed = vim::config::to_yaml(config);
  if (vim::config::to_yaml(vim::config::parse_config(printed, "printed", {})) != printed) {
    throw std::logic_error("printing and reading changed the configuration");
  }
  return 0;
}
