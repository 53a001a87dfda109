// Writing an index, and the check of an entry, which the reader shares.
#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/data/source/image_index.h"
#include "src/data/source/image_index_layout.h"

namespace vim::data {
namespace {

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_number(std::string& bytes, uint64_t value) { append(bytes, value); }

void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, text.size());
  bytes += text;
}

std::string table_bytes(const IndexTable& table) {
  std::string bytes;
  append_number(bytes, table.is_folder ? 1 : 0);
  append_number(bytes, table.is_flat ? 1 : 0);
  append_text(bytes, table.inner);
  append_text(bytes, table.root);
  append_number(bytes, table.classes.size());
  for (const std::string& name : table.classes) {
    append_text(bytes, name);
  }
  append_number(bytes, table.sources.size());
  for (const IndexSource& source : table.sources) {
    append_number(bytes, static_cast<uint64_t>(source.role));
    append_text(bytes, source.path);
    append_number(bytes, source.size);
    append_number(bytes, static_cast<uint64_t>(source.mtime_ns));
  }
  bytes.resize((bytes.size() + 7) / 8 * 8);
  return bytes;
}

}  // namespace

uint32_t entry_check(const IndexRecord& record, std::string_view name) {
  std::byte bytes[offsetof(IndexRecord, check) + sizeof(uint64_t)];
  std::memcpy(bytes, &record, offsetof(IndexRecord, check));
  const uint64_t hash = core::xxh3_64(std::as_bytes(std::span(name)));
  std::memcpy(bytes + offsetof(IndexRecord, check), &hash, sizeof hash);
  return static_cast<uint32_t>(core::xxh3_64(bytes));
}

void ImageIndexWriter::add(const IndexEntry& entry) {
  if (entry.offset > kMaxIndexOffset || entry.source > kMaxIndexSource ||
      names_.size() + entry.name.size() > std::numeric_limits<uint32_t>::max()) {
    throw Error(fmt::format(
        "{}: is beyond what an index can hold (65,536 files of 256 TiB, 4 GiB of names); split the "
        "data set",
        entry.name));
  }
  IndexRecord record{};
  record.place = uint64_t{entry.source} << kIndexOffsetBits | entry.offset;
  record.length = entry.length;
  record.label = entry.label;
  record.name_begin = static_cast<uint32_t>(names_.size());
  record.check = entry_check(record, entry.name);
  append(entries_, record);
  names_ += entry.name;
}

std::string ImageIndexWriter::finish(const IndexTable& table) const {
  const std::string table_part = table_bytes(table);
  IndexHeader header{};
  std::memcpy(header.magic, kIndexMagic.data(), kIndexMagic.size());
  header.version = kIndexVersion;
  header.num_entries = entries_.size() / kIndexEntryBytes;
  header.table_bytes = table_part.size();
  header.names_bytes = names_.size();
  header.table_checksum = core::xxh3_64(std::as_bytes(std::span(table_part)));
  header.header_checksum = core::xxh3_64(
      std::as_bytes(std::span(&header, 1)).first(offsetof(IndexHeader, header_checksum)));
  std::string bytes;
  bytes.reserve(sizeof header + table_part.size() + entries_.size() + names_.size());
  append(bytes, header);
  bytes += table_part;
  bytes += entries_;
  bytes += names_;
  return bytes;
}

}  // namespace vim::data
