// The zip archives that torch.save writes: stored entries, 64-bit fields and data descriptors
// included (PKWARE APPNOTE 6.3). Reading trusts nothing in the file and copies nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vim::weights {

/// One stored entry. Names are kept as they stand: nothing is ever unpacked to a path.
struct ZipEntry {
  std::string name;
  uint64_t offset = 0;  // of the data, from the start of the archive
  uint64_t size = 0;
  uint32_t crc = 0;
  uint64_t header_offset = 0;
};

/// The table of contents of an archive, over bytes that the caller keeps alive. Move-only.
class ZipArchive {
 public:
  /// Reads and checks the whole table: entries that are compressed, encrypted, doubled, overlapping
  /// or beyond the file are refused, and local headers must agree with it. `name` stands in errors.
  /// Throws vim::Error.
  static ZipArchive parse(std::span<const std::byte> bytes, std::string_view name);

  ZipArchive(ZipArchive&&) noexcept;
  ZipArchive& operator=(ZipArchive&&) noexcept;
  ~ZipArchive();

  /// In the order of the table.
  const std::vector<ZipEntry>& entries() const { return entries_; }

  /// The entry of that name, or nullptr.
  const ZipEntry* find(std::string_view name) const;

  /// False where every entry has the CRC-32 zero, which is how PyTorch leaves checksums out on
  /// request (torch.serialization.set_crc32_options); nothing can then be verified.
  bool has_checksums() const { return has_checksums_; }

  /// The bytes of an entry of this archive. Its CRC-32 is verified the first time; safe to call
  /// from several threads. Throws vim::Error naming the entry if it does not match.
  std::span<const std::byte> data(const ZipEntry& entry) const;

 private:
  struct Verified;  // which entries have been verified

  ZipArchive(std::span<const std::byte> bytes, std::string_view name);

  std::span<const std::byte> bytes_;
  std::string name_;
  std::vector<ZipEntry> entries_;
  std::map<std::string_view, size_t> index_;
  bool has_checksums_ = false;
  std::unique_ptr<Verified> verified_;
};

}  // namespace vim::weights
