// Fuzz target: whatever the bytes, parsing ends with a file whose every view can be read, or
// vim::Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "src/core/error.h"
#include "src/weights/checkpoint_file.h"

namespace {

// Touches every byte of every tensor, so that a view beyond the input is seen by the sanitizer.
void read_everything(const vim::weights::SafetensorsFile& file) {
  unsigned sum = 0;
  for (const vim::weights::TensorInfo& tensor : file.tensors()) {
    for (const std::byte value : file.data(tensor)) {
      sum += std::to_integer<unsigned>(value);
    }
  }
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try {
    read_everything(vim::weights::SafetensorsFile::parse(bytes, "input"));
    vim::weights::parse_checkpoint(bytes, "input");
  } catch (const vim::Error&) {
    return 0;  // the one way in which bad input may be refused
  }
  return 0;
}
