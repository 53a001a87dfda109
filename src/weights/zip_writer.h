// Writing zip archives as torch.save does: entries stored as they are, their data aligned to 64
// bytes. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/atomic_file.h"

namespace vim::weights {

/// Streams an archive through `write`, which must outlive this object. Equal calls give equal
/// bytes: entries carry no time.
class ZipWriter {
 public:
  /// Sizes and offsets of `limit` and above go into 64-bit fields; only tests lower it.
  explicit ZipWriter(const core::WriteBytes& write, uint64_t limit = 0xFFFFFFFF)
      : write_(write), limit_(limit) {}

  /// Appends an entry. Names must be distinct and shorter than 64 KiB.
  void add(std::string_view name, std::span<const std::byte> bytes);

  /// Appends the table of contents; nothing may follow.
  void finish();

 private:
  struct Entry {
    std::string name;
    uint64_t offset = 0;  // of the local header
    uint64_t size = 0;
    uint32_t crc = 0;
  };

  void put(const std::string& bytes);
  std::string local_header(const Entry& entry) const;
  std::string central_header(const Entry& entry) const;
  std::string end_records(uint64_t directory, uint64_t size) const;

  const core::WriteBytes& write_;
  uint64_t limit_;
  uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace vim::weights
