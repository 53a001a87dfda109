// XXH3-64 through the xxHash library.
#include "src/core/checksum.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace vim::core {

uint64_t xxh3_64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string to_hex(uint64_t value) { return fmt::format("{:016x}", value); }

}  // namespace vim::core
