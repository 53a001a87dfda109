// Fuzz target: whatever the bytes, unpickling ends with a tree that can be looked at, or with
// vim::Error.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "src/core/error.h"
#include "src/weights/pickle_value.h"

namespace {

// Looks at the value as far as programs do; values may contain themselves.
size_t look_at(const vim::weights::PickleValue& value, int depth) {
  size_t seen = vim::weights::short_text(value).size() + vim::weights::describe(value).size();
  seen += value.number().has_value() ? 1 : 0;
  if (value.attributes() != nullptr) {
    seen += value.attributes()->pairs.size();
  }
  if (depth == 0) {
    return seen;
  }
  for (size_t i = 0; i < value.items.size() && i < 8; ++i) {
    seen += look_at(*value.items[i], depth - 1);
  }
  for (size_t i = 0; i < value.pairs.size() && i < 8; ++i) {
    seen += look_at(*value.pairs[i].first, depth - 1) + look_at(*value.pairs[i].second, depth - 1);
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto pickle = vim::weights::parse_pickle(bytes, "input");
    volatile size_t sink = look_at(pickle.root(), 2);
    static_cast<void>(sink);
  } catch (const vim::Error&) {
    return 0;  // the one way in which bad input may be refused
  }
  return 0;
}
