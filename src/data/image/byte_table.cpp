// Lookups, one a byte.
#include "src/data/image/byte_table.h"

namespace vim::data {

void apply_table(const ImageSpan& image, const ByteTable& table) {
  const int64_t num_bytes = image.height * image.width * 3;
  for (int64_t i = 0; i < num_bytes; ++i) {
    image.pixels[i] = table[image.pixels[i]];
  }
}

void apply_tables(const ImageSpan& image, const std::array<ByteTable, 3>& tables) {
  const int64_t num_bytes = image.height * image.width * 3;
  for (int64_t i = 0; i < num_bytes; i += 3) {
    image.pixels[i] = tables[0][image.pixels[i]];
    image.pixels[i + 1] = tables[1][image.pixels[i + 1]];
    image.pixels[i + 2] = tables[2][image.pixels[i + 2]];
  }
}

}  // namespace vim::data
