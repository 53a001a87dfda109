// One loop.
#include "src/weights/little_endian.h"

namespace vim::weights {

void append_number(std::string& bytes, uint64_t value, int size) {
  for (int i = 0; i < size; ++i) {
    bytes.push_back(static_cast<char>(i < 8 ? value >> (8 * i) : 0));
  }
}

}  // namespace vim::weights
