// Functions of a byte as tables, applied to images in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "src/data/image/image.h"

namespace vim::data {

using ByteTable = std::array<uint8_t, 256>;

/// The table of a function from a byte's value to an integer, which is cut to [0, 255].
template <typename F>
ByteTable make_table(F value_of) {
  ByteTable table{};
  for (int value = 0; value < 256; ++value) {
    const int64_t mapped = value_of(value);
    table[static_cast<size_t>(value)] =
        static_cast<uint8_t>(mapped < 0 ? 0 : (mapped > 255 ? 255 : mapped));
  }
  return table;
}

/// Replaces each value by its entry of the table, or of its channel's table.
void apply_table(const ImageSpan& image, const ByteTable& table);
void apply_tables(const ImageSpan& image, const std::array<ByteTable, 3>& tables);

}  // namespace vim::data
