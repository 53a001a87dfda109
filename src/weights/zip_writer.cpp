// Fields in the order in which APPNOTE lists them.
#include "src/weights/zip_writer.h"

#include <algorithm>

#include "src/weights/crc32.h"
#include "src/weights/little_endian.h"

namespace vim::weights {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr size_t kLocalSize = 30;
constexpr size_t kExtraHeader = 4;
constexpr uint64_t kIn64 = 0xFFFFFFFF;
constexpr uint64_t kMaxEntries32 = 0xFFFF;
constexpr uint64_t kVersion = 45;  // the first with 64-bit fields

// The 64-bit extra field with the values that did not fit, or "".
std::string extra64(const std::vector<uint64_t>& values) {
  std::string field;
  for (const uint64_t value : values) {
    append_number(field, value, 8);
  }
  std::string extra;
  if (!field.empty()) {
    append_number(extra, 1, 2);
    append_number(extra, field.size(), 2);
  }
  return extra + field;
}

}  // namespace

void ZipWriter::put(const std::string& bytes) {
  write_(std::as_bytes(std::span(bytes.data(), bytes.size())));
  position_ += bytes.size();
}

void ZipWriter::add(std::string_view name, std::span<const std::byte> bytes) {
  entries_.push_back({std::string(name), position_, bytes.size(), crc32(bytes)});
  put(local_header(entries_.back()));
  write_(bytes);
  position_ += bytes.size();
}

// 4.3.7, with an extra field "FB" of PyTorch's that fills up to the alignment.
std::string ZipWriter::local_header(const Entry& entry) const {
  const bool is_64 = entry.size >= limit_;
  std::string extra = is_64 ? extra64({entry.size, entry.size}) : "";
  const uint64_t unpadded =
      entry.offset + kLocalSize + entry.name.size() + extra.size() + kExtraHeader;
  const uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  extra += "FB";
  append_number(extra, padding, 2);
  extra.append(padding, 'Z');
  std::string header = "PK\x03\x04";
  append_number(header, kVersion, 2);
  append_number(header, 0, 2);      // flags
  append_number(header, 0, 2);      // stored
  append_number(header, 0, 2 + 2);  // time, date
  append_number(header, entry.crc, 4);
  append_number(header, is_64 ? kIn64 : entry.size, 4);
  append_number(header, is_64 ? kIn64 : entry.size, 4);
  append_number(header, entry.name.size(), 2);
  append_number(header, extra.size(), 2);
  return header + entry.name + extra;
}

// 4.3.12
std::string ZipWriter::central_header(const Entry& entry) const {
  const bool is_large = entry.size >= limit_;
  const bool is_far = entry.offset >= limit_;
  std::vector<uint64_t> values;
  if (is_large) {
    values = {entry.size, entry.size};
  }
  if (is_far) {
    values.push_back(entry.offset);
  }
  const std::string extra = extra64(values);
  std::string header = "PK\x01\x02";
  append_number(header, kVersion, 2);
  append_number(header, kVersion, 2);
  append_number(header, 0, 4);      // flags, stored
  append_number(header, 0, 2 + 2);  // time, date
  append_number(header, entry.crc, 4);
  append_number(header, is_large ? kIn64 : entry.size, 4);
  append_number(header, is_large ? kIn64 : entry.size, 4);
  append_number(header, entry.name.size(), 2);
  append_number(header, extra.size(), 2);
  append_number(header, 0, 2 + 2 + 2);  // comment, disk, attributes
  append_number(header, 0, 4);          // attributes
  append_number(header, is_far ? kIn64 : entry.offset, 4);
  return header + entry.name + extra;
}

// 4.3.14 to 4.3.16
std::string ZipWriter::end_records(uint64_t directory, uint64_t size) const {
  const uint64_t count = entries_.size();
  const bool is_64 = directory >= limit_ || size >= limit_ || count >= kMaxEntries32;
  std::string records;
  if (is_64) {
    records += "PK\x06\x06";
    append_number(records, 44, 8);  // what follows of this record
    append_number(records, kVersion, 2);
    append_number(records, kVersion, 2);
    append_number(records, 0, 8);  // disks
    append_number(records, count, 8);
    append_number(records, count, 8);
    append_number(records, size, 8);
    append_number(records, directory, 8);
    records += "PK\x06\x07";
    append_number(records, 0, 4);  // disk
    append_number(records, directory + size, 8);
    append_number(records, 1, 4);  // disks
  }
  records += "PK\x05\x06";
  append_number(records, 0, 4);  // disks
  append_number(records, is_64 ? kMaxEntries32 : count, 2);
  append_number(records, is_64 ? kMaxEntries32 : count, 2);
  append_number(records, is_64 ? kIn64 : size, 4);
  append_number(records, is_64 ? kIn64 : directory, 4);
  append_number(records, 0, 2);  // comment
  return records;
}

void ZipWriter::finish() {
  const uint64_t directory = position_;
  for (const Entry& entry : entries_) {
    put(central_header(entry));
  }
  put(end_records(directory, position_ - directory));
}

}  // namespace vim::weights
