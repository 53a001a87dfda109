// XXH3-64 checksums, as checkpoints carry them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vim::core {

/// XXH3-64 of the bytes, seed 0.
uint64_t xxh3_64(std::span<const std::byte> bytes);

/// 16 lower-case hexadecimal digits.
std::string to_hex(uint64_t value);

}  // namespace vim::core
