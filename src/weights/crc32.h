// CRC-32 as zip archives carry it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vim::weights {

/// CRC-32 (reflected polynomial 0xEDB88320) of the bytes; `before` is the checksum of what came
/// before them. Source: ISO 3309, as used by the zip format.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace vim::weights
