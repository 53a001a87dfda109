// Fuzz target: whatever the bytes, an index can be read entry by entry, or vim::Error is thrown.
// Checksums keep changed bytes from going far, so the input is also read with those of header and
// table made right, and taken as the description of an index that is written and must be read back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/data/source/image_index.h"
#include "src/data/source/image_index_layout.h"

namespace {

using vim::data::ImageIndex;
using vim::data::ImageIndexWriter;
using vim::data::IndexEntry;
using vim::data::IndexTable;

constexpr size_t kNumClasses = 3;

void read_entries(const ImageIndex& index) {
  for (int64_t i = 0; i < index.size(); ++i) {
    try {
      const IndexEntry entry = index.entry(i);
      const size_t num_classes = index.table().classes.size();
      if (entry.label >= num_classes || std::string(entry.name).size() != entry.name.size()) {
        std::abort();
      }
    } catch (const vim::Error&) {
      continue;  // a damaged entry; the next may be sound
    }
  }
}

std::string with_checksums(std::string text) {
  vim::data::IndexHeader header;
  if (text.size() < sizeof header) {
    return text;
  }
  std::memcpy(&header, text.data(), sizeof header);
  const auto bytes = std::as_bytes(std::span(text)).subspan(sizeof header);
  header.table_bytes = std::min<uint64_t>(header.table_bytes, bytes.size());
  header.table_checksum = vim::core::xxh3_64(bytes.first(header.table_bytes));
  header.header_checksum =
      vim::core::xxh3_64(std::as_bytes(std::span(&header, 1)).first(sizeof header - 8));
  std::memcpy(text.data(), &header, sizeof header);
  return text;
}

void read_index(const std::string& text) {
  try {
    read_entries(ImageIndex::from_bytes(text, "input"));
  } catch (const vim::Error&) {
    return;  // the one way in which bad input may be refused
  }
}

// Cuts a piece off the text: a byte gives its length.
std::string_view take(std::string_view& text) {
  const size_t length = text.empty() ? 0 : static_cast<unsigned char>(text.front());
  text.remove_prefix(text.empty() ? 0 : 1);
  const std::string_view piece = text.substr(0, length);
  text.remove_prefix(piece.size());
  return piece;
}

void write_and_read(std::string_view text) {
  IndexTable table;
  table.root = take(text);
  for (size_t i = 0; i < kNumClasses; ++i) {
    table.classes.emplace_back(take(text));
  }
  table.sources.push_back({vim::data::SourceRole::kTar, std::string(take(text)), 1, 2});
  ImageIndexWriter writer;
  std::string names;
  while (!text.empty()) {
    const std::string_view name = take(text);
    const auto size = static_cast<uint32_t>(name.size());
    writer.add({0, size, size, size % static_cast<uint32_t>(kNumClasses), name});
    names += name;
  }
  const auto index = ImageIndex::from_bytes(writer.finish(table), "written");
  std::string read;
  for (int64_t i = 0; i < index.size(); ++i) {
    read += index.entry(i).name;
  }
  if (read != names || index.table().classes != table.classes) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_index(text);
  read_index(with_checksums(text));
  write_and_read(text);
  return 0;
}
