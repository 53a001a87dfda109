// Fuzz target: whatever the bytes, a MAT file gives a table of numbers and texts, or is refused by
// vim::Error. Each is looked at as it is and with its elements compressed, since a changed byte in
// a compressed one would be all that the reader ever sees.
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "src/core/error.h"
#include "src/data/source/mat_file.h"

namespace {

constexpr size_t kHeaderBytes = 128;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

// The header, and everything behind it as one compressed element.
std::vector<uint8_t> compressed(std::span<const uint8_t> data) {
  const auto elements = data.subspan(std::min(data.size(), kHeaderBytes));
  uLongf size = ::compressBound(elements.size());
  std::vector<uint8_t> bytes(kHeaderBytes + 8 + size);
  std::copy_n(data.begin(), data.size() - elements.size(), bytes.begin());
  require(
      ::compress2(bytes.data() + kHeaderBytes + 8, &size, elements.data(), elements.size(), 1) ==
      Z_OK);
  const uint32_t head[2] = {15, static_cast<uint32_t>(size)};  // miCOMPRESSED
  std::memcpy(bytes.data() + kHeaderBytes, head, sizeof head);
  bytes.resize(kHeaderBytes + 8 + size);
  return bytes;
}

void read(std::span<const uint8_t> bytes) {
  try {
    for (const auto& [number, text] :
         vim::data::read_mat_table(bytes, {"synsets", "ILSVRC2012_ID", "WNID"}, "input")) {
      require(number >= 0 && !text.empty());
    }
  } catch (const vim::Error&) {
    return;  // the one way in which bad input may be refused
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  read({data, size});
  read(compressed({data, size}));
  return 0;
}
