// Reading an index. The header and the table are verified as a whole, an entry when it is asked
// for, so that no page is touched before it is needed.
#include "src/data/source/image_index.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/core/mapped_file.h"
#include "src/data/source/image_index_layout.h"

namespace vim::data {
namespace {

static_assert(std::endian::native == std::endian::little, "an index is read as it lies");

template <typename T>
T load(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Takes the table apart, never past its end.
class TableReader {
 public:
  explicit TableReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t number() { return load<uint64_t>(take(sizeof(uint64_t)), 0); }
  std::string text() { return std::string(as_text(take(number()))); }

  // How many items follow, each of at least that many bytes.
  uint64_t count(uint64_t least_bytes) {
    const uint64_t count = number();
    if (count > bytes_.size() / least_bytes) {
      throw std::length_error("count");
    }
    return count;
  }

 private:
  std::span<const std::byte> take(uint64_t count) {
    if (count > bytes_.size()) {
      throw std::length_error("table");
    }
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }

  std::span<const std::byte> bytes_;
};

IndexTable read_table(std::span<const std::byte> bytes) {
  TableReader reader(bytes);
  IndexTable table;
  table.is_folder = reader.number() != 0;
  table.is_flat = reader.number() != 0;
  table.inner = reader.text();
  table.root = reader.text();
  table.classes.resize(reader.count(8));
  for (std::string& name : table.classes) {
    name = reader.text();
  }
  table.sources.resize(reader.count(32));
  for (IndexSource& source : table.sources) {
    source.role = static_cast<SourceRole>(reader.number());
    source.path = reader.text();
    source.size = reader.number();
    source.mtime_ns = static_cast<int64_t>(reader.number());
  }
  return table;
}

}  // namespace

ImageIndex ImageIndex::map(const std::filesystem::path& path) {
  auto file = std::make_shared<const core::MappedFile>(path);
  const auto bytes = file->bytes();
  return {std::move(file), bytes, path.string()};
}

ImageIndex ImageIndex::from_bytes(std::string bytes, std::string name) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const auto view = std::as_bytes(std::span(*owner));
  return {std::move(owner), view, std::move(name)};
}

ImageIndex::ImageIndex(
    std::shared_ptr<const void> owner, std::span<const std::byte> bytes, std::string name)
    : owner_(std::move(owner)), bytes_(bytes), name_(std::move(name)) {
  parse();
}

void ImageIndex::parse() {
  if (bytes_.size() < sizeof(IndexHeader) || !as_text(bytes_).starts_with(kIndexMagic)) {
    fail("is no index of images");
  }
  const auto header = load<IndexHeader>(bytes_, 0);
  if (header.version != kIndexVersion) {
    fail(fmt::format("is of version {}, this program writes {}", header.version, kIndexVersion));
  }
  if (header.header_checksum !=
      core::xxh3_64(bytes_.first(offsetof(IndexHeader, header_checksum)))) {
    fail("has a damaged header");
  }
  const auto body = bytes_.subspan(sizeof(IndexHeader));
  const uint64_t after_table = body.size() - std::min<uint64_t>(header.table_bytes, body.size());
  if (header.table_bytes > body.size() || header.num_entries > after_table / kIndexEntryBytes ||
      header.names_bytes != after_table - header.num_entries * kIndexEntryBytes) {
    fail("is cut short");
  }
  const auto table = body.first(header.table_bytes);
  if (header.table_checksum != core::xxh3_64(table)) {
    fail("has a damaged table");
  }
  try {
    table_ = read_table(table);
  } catch (const std::length_error&) {
    fail("has a damaged table");
  }
  num_entries_ = header.num_entries;
  entries_ = body.subspan(header.table_bytes, num_entries_ * kIndexEntryBytes);
  names_ = as_text(body.last(header.names_bytes));
}

IndexEntry ImageIndex::entry(int64_t index) const {
  if (index < 0 || index >= size()) {
    throw std::out_of_range("ImageIndex: no such entry");
  }
  const size_t at = static_cast<size_t>(index) * kIndexEntryBytes;
  const auto record = load<IndexRecord>(entries_, at);
  const uint64_t end = index + 1 < size()
                           ? load<IndexRecord>(entries_, at + kIndexEntryBytes).name_begin
                           : names_.size();
  if (record.name_begin > end || end > names_.size()) {
    fail(fmt::format("has a damaged entry {}", index));
  }
  IndexEntry entry;
  entry.name = names_.substr(record.name_begin, end - record.name_begin);
  entry.source = static_cast<uint32_t>(record.place >> kIndexOffsetBits);
  entry.offset = record.place & kMaxIndexOffset;
  entry.length = record.length;
  entry.label = record.label;
  if (record.check != entry_check(record, entry.name) || entry.label >= table_.classes.size() ||
      (entry.source >= table_.sources.size() && !table_.is_folder)) {
    fail(fmt::format("has a damaged entry {}", index));
  }
  return entry;
}

void ImageIndex::fail(const std::string& what) const {
  throw Error(fmt::format("{}: {}; make it again by vim_data index --force", name_, what));
}

bool may_replace_index(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return true;
  }
  std::string magic(kIndexMagic.size(), '\0');
  std::ifstream(path, std::ios::binary)
      .read(magic.data(), static_cast<std::streamsize>(magic.size()));
  return magic == kIndexMagic;
}

}  // namespace vim::data
