// Fields are read in the order in which APPNOTE lists them; sections are given by number.
#include "src/weights/zip_directory.h"

#include <optional>
#include <string_view>

#include "src/core/error.h"
#include "src/weights/byte_cursor.h"
#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

constexpr uint32_t kLocalSignature = 0x04034B50;
constexpr uint32_t kCentralSignature = 0x02014B50;
constexpr uint32_t kEndSignature = 0x06054B50;
constexpr uint32_t kEnd64Signature = 0x06064B50;
constexpr uint32_t kLocator64Signature = 0x07064B50;
constexpr size_t kEndSize = 22;
constexpr size_t kLocator64Size = 20;
constexpr size_t kCentralSize = 46;
constexpr size_t kLongestComment = 0xFFFF;
constexpr uint32_t kIn64 = 0xFFFFFFFF;  // the value stands in the 64-bit extra field
constexpr uint16_t kEncrypted = 1U << 0 | 1U << 6 | 1U << 13;
constexpr uint16_t kHasDescriptor = 1U << 3;
constexpr uint16_t kExtra64 = 0x0001;

[[noreturn]] void fail(const std::string& file_name, const std::string& what) {
  throw Error(
      file_name + ": " + what + "; the file is damaged or incomplete, fetch or write it again");
}

[[noreturn]] void fail_entry(
    const std::string& file_name, const std::string& name, const std::string& what) {
  fail(file_name, "zip entry \"" + printable(name) + "\": " + what);
}

// Searched from the end, since a comment may follow; it must then reach exactly to the end.
std::optional<size_t> find_end_record(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  const std::string_view signature("PK\x05\x06", 4);
  for (size_t at = text.rfind(signature); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : text.rfind(signature, at - 1)) {
    const size_t after = text.size() - at;
    if (after > kEndSize + kLongestComment) {
      break;
    }
    if (after < kEndSize) {
      continue;
    }
    const std::string no_name;
    ByteCursor cursor(bytes.subspan(at + kEndSize - 2), no_name);
    if (cursor.take_u16() == after - kEndSize) {
      return at;
    }
  }
  return std::nullopt;
}

// 4.3.14 and 4.3.15: the 64-bit end record, through its locator just before the 32-bit one.
std::optional<ZipDirectory> find_directory64(
    std::span<const std::byte> bytes, size_t end_record, const std::string& file_name) {
  if (end_record < kLocator64Size) {
    return std::nullopt;
  }
  ByteCursor cursor(bytes, file_name);
  cursor.seek(end_record - kLocator64Size);
  if (cursor.take_u32() != kLocator64Signature) {
    return std::nullopt;
  }
  cursor.take_u32();  // the disk
  cursor.seek(cursor.take_u64());
  if (cursor.take_u32() != kEnd64Signature) {
    fail(file_name, "the 64-bit end record of the zip archive is not where it should be");
  }
  cursor.take(8 + 2 + 2 + 4 + 4);  // record size, versions, disks
  ZipDirectory directory;
  const uint64_t on_this_disk = cursor.take_u64();
  directory.num_entries = cursor.take_u64();
  directory.size = cursor.take_u64();
  directory.offset = cursor.take_u64();
  if (on_this_disk != directory.num_entries) {
    fail(file_name, "the zip archive spans several files");
  }
  return directory;
}

// 4.3.16
ZipDirectory read_end_record(
    std::span<const std::byte> bytes, size_t end_record, const std::string& file_name) {
  ByteCursor cursor(bytes, file_name);
  cursor.seek(end_record + 4);
  cursor.take_u32();  // disks
  ZipDirectory directory;
  const uint16_t on_this_disk = cursor.take_u16();
  directory.num_entries = cursor.take_u16();
  directory.size = cursor.take_u32();
  directory.offset = cursor.take_u32();
  if (on_this_disk != directory.num_entries) {
    fail(file_name, "the zip archive spans several files");
  }
  return directory;
}

// 4.5.3: the fields that did not fit 32 bits, in this order and only those.
void read_extra64(std::span<const std::byte> extra, ZipEntry& entry, const std::string& file_name) {
  ByteCursor cursor(extra, file_name);
  while (cursor.left() >= 4) {
    const uint16_t id = cursor.take_u16();
    const auto field = cursor.take(cursor.take_u16());
    if (id != kExtra64) {
      continue;
    }
    ByteCursor values(field, file_name);
    const bool has_size = entry.size == kIn64;
    if (has_size) {
      entry.size = values.take_u64();
      if (values.take_u64() != entry.size) {
        fail_entry(file_name, entry.name, "is compressed; only stored entries are read");
      }
    }
    if (entry.header_offset == kIn64) {
      entry.header_offset = values.take_u64();
    }
    return;
  }
}

void check_form(uint16_t flags, uint16_t method, const std::string& name, const std::string& file) {
  if ((flags & kEncrypted) != 0) {
    throw Error(
        file + ": zip entry \"" + printable(name) +
        "\" is encrypted; write the file with torch.save");
  }
  if (method != 0) {
    throw Error(
        file + ": zip entry \"" + printable(name) +
        "\" is compressed, as in TorchScript and repacked archives; save the model's state_dict() "
        "with torch.save");
  }
}

// 4.3.12
ZipEntry read_central_header(ByteCursor& cursor, const std::string& file_name) {
  if (cursor.take_u32() != kCentralSignature) {
    fail(file_name, "the table of contents of the zip archive is broken");
  }
  cursor.take(2 + 2);  // versions
  ZipEntry entry;
  const uint16_t flags = cursor.take_u16();
  const uint16_t method = cursor.take_u16();
  cursor.take(2 + 2);  // time, date
  entry.crc = cursor.take_u32();
  const uint32_t compressed_size = cursor.take_u32();
  entry.size = cursor.take_u32();
  const uint16_t name_length = cursor.take_u16();
  const uint16_t extra_length = cursor.take_u16();
  const uint16_t comment_length = cursor.take_u16();
  cursor.take(2 + 2 + 4);  // disk, attributes
  entry.header_offset = cursor.take_u32();
  entry.name = cursor.take_text(name_length);
  check_form(flags, method, entry.name, file_name);
  if (compressed_size != entry.size) {
    fail_entry(file_name, entry.name, "has two sizes though it is stored as it is");
  }
  read_extra64(cursor.take(extra_length), entry, file_name);
  cursor.take(comment_length);
  return entry;
}

// 4.3.7: agrees with the directory, and says where the data begin.
void read_local_header(
    std::span<const std::byte> bytes, ZipEntry& entry, const std::string& file_name) {
  ByteCursor cursor(bytes, file_name);
  cursor.seek(entry.header_offset);
  if (cursor.take_u32() != kLocalSignature) {
    fail_entry(file_name, entry.name, "there is no entry at its place");
  }
  cursor.take_u16();  // version
  const uint16_t flags = cursor.take_u16();
  check_form(flags, cursor.take_u16(), entry.name, file_name);
  cursor.take(2 + 2 + 4 + 4);  // time, date, CRC-32, compressed size
  const uint32_t size = cursor.take_u32();
  const uint16_t name_length = cursor.take_u16();
  const uint16_t extra_length = cursor.take_u16();
  if (cursor.take_text(name_length) != entry.name) {
    fail_entry(file_name, entry.name, "bears another name at its place");
  }
  // With a descriptor behind the data the sizes here may be left at zero.
  const bool is_left_out = size == kIn64 || ((flags & kHasDescriptor) != 0 && size == 0);
  if (!is_left_out && size != entry.size) {
    fail_entry(file_name, entry.name, "its header and the table of contents give two sizes");
  }
  cursor.take(extra_length);
  entry.offset = cursor.position();
  cursor.take(entry.size);
}

}  // namespace

ZipDirectory find_zip_directory(std::span<const std::byte> bytes, const std::string& file_name) {
  const std::optional<size_t> end_record = find_end_record(bytes);
  if (!end_record) {
    fail(file_name, "the zip archive has no end record");
  }
  const auto directory64 = find_directory64(bytes, *end_record, file_name);
  const ZipDirectory directory =
      directory64 ? *directory64 : read_end_record(bytes, *end_record, file_name);
  const bool is_inside =
      directory.offset <= *end_record && directory.size <= *end_record - directory.offset;
  if (!is_inside || directory.num_entries > directory.size / kCentralSize) {
    fail(file_name, "the table of contents of the zip archive lies beyond the file");
  }
  return directory;
}

std::vector<ZipEntry> read_zip_directory(
    std::span<const std::byte> bytes, const ZipDirectory& directory, const std::string& file_name) {
  ByteCursor cursor(bytes.subspan(directory.offset, directory.size), file_name);
  std::vector<ZipEntry> entries;
  for (uint64_t i = 0; i < directory.num_entries; ++i) {
    ZipEntry entry = read_central_header(cursor, file_name);
    read_local_header(bytes, entry, file_name);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace vim::weights
