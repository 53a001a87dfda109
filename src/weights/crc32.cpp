// Eight bytes a step through eight tables: weights are large, and one table alone is several times
// slower than reading the file.
#include "src/weights/crc32.h"

#include <array>

namespace vim::weights {
namespace {

constexpr size_t kStride = 8;

using Tables = std::array<std::array<uint32_t, 256>, kStride>;

// tables[k][b]: what byte b contributes when k more bytes follow it in the step.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t value = b;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0U);
    }
    tables[0][b] = value;
  }
  for (size_t k = 1; k < kStride; ++k) {
    for (size_t b = 0; b < 256; ++b) {
      const uint32_t value = tables[k - 1][b];
      tables[k][b] = (value >> 8) ^ tables[0][value & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t crc = ~before;
  while (bytes.size() >= kStride) {
    uint32_t next = 0;
    for (size_t i = 0; i < kStride; ++i) {
      const uint32_t mixed = i < 4 ? (crc >> (8 * i)) & 0xFF : 0;
      next ^= kTables[kStride - 1 - i][std::to_integer<uint32_t>(bytes[i]) ^ mixed];
    }
    crc = next;
    bytes = bytes.subspan(kStride);
  }
  for (const std::byte value : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<uint32_t>(value)) & 0xFF];
  }
  return ~crc;
}

}  // namespace vim::weights
