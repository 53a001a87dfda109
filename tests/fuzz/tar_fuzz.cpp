// Fuzz target: whatever the bytes, a tar file becomes an index whose every entry lies within it, or
// is refused by vim::Error. Each is looked at as it is and with checksums made right, as a whole
// and for one folder inside.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/data/source/image_index.h"
#include "src/data/source/indexed_build.h"

namespace {

using vim::data::ByteSource;
using vim::data::ImageIndex;
using vim::data::MemorySource;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_index(const ImageIndex& index, const ByteSource& source) {
  require(index.size() > 0);
  std::vector<uint8_t> bytes;
  for (int64_t i = 0; i < index.size(); ++i) {
    const auto entry = index.entry(i);
    require(entry.offset + entry.length <= source.size());
    bytes.resize(entry.length);
    source.read_at(entry.offset, bytes);
  }
}

// The bytes with the checksum of every header made right, since a changed one would be all that the
// reader ever sees.
std::vector<uint8_t> with_checksums(std::span<const uint8_t> data) {
  constexpr size_t kBlock = 512;
  constexpr size_t kSum = 148;
  std::vector<uint8_t> bytes(data.begin(), data.end());
  for (size_t begin = 0; begin + kBlock <= bytes.size(); begin += kBlock) {
    uint8_t* block = bytes.data() + begin;
    if (std::memcmp(block + 257, "ustar", 5) == 0) {
      std::memset(block + kSum, ' ', 8);
      const unsigned sum = std::accumulate(block, block + kBlock, 0U);
      std::snprintf(reinterpret_cast<char*>(block) + kSum, 7, "%06o", sum);
    }
  }
  return bytes;
}

void build(std::span<const uint8_t> data, const char* inner) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(std::make_unique<MemorySource>(data, "input"));
  vim::data::IndexedSet set;
  set.path = "input";
  set.tars = {"input"};
  set.inner = inner;
  try {
    auto built = vim::data::build_tar_index(set, sources, {});
    check_index(ImageIndex::from_bytes(std::move(built.bytes), "index"), *sources[0]);
  } catch (const vim::Error&) {
    return;  // the one way in which bad input may be refused
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  const std::vector<uint8_t> repaired = with_checksums({data, size});
  for (const char* inner : {"", "a"}) {
    build({data, size}, inner);
    build(repaired, inner);
  }
  return 0;
}
