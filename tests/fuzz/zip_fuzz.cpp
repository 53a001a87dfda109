// Fuzz target: whatever the bytes, parsing ends with an archive whose every entry can be read or is
// refused, or with vim::Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "src/core/error.h"
#include "src/weights/zip_archive.h"

namespace {

// Touches every byte, so that a view beyond the input is seen by the sanitizer.
void read_entry(const vim::weights::ZipArchive& archive, const vim::weights::ZipEntry& entry) {
  unsigned sum = 0;
  try {
    for (const std::byte value : archive.data(entry)) {
      sum += std::to_integer<unsigned>(value);
    }
  } catch (const vim::Error&) {
    sum = 1;  // a wrong CRC-32
  }
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try {
    const auto archive = vim::weights::ZipArchive::parse(bytes, "input");
    for (const vim::weights::ZipEntry& entry : archive.entries()) {
      read_entry(archive, entry);
    }
  } catch (const vim::Error&) {
    return 0;  // the one way in which bad input may be refused
  }
  return 0;
}
