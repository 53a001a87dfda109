// SHA-256 (FIPS 180-4), in which reference data state the pixels of large images.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace vim::test {

/// The digest in 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const uint8_t> bytes);

}  // namespace vim::test
