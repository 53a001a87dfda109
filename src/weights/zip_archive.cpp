// What holds across entries: no name twice, no byte in two entries.
#include "src/weights/zip_archive.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>

#include "src/core/error.h"
#include "src/weights/crc32.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/zip_directory.h"

namespace vim::weights {
namespace {

[[noreturn]] void fail(const std::string& file_name, const ZipEntry& entry, const char* what) {
  throw Error(
      file_name + ": zip entry \"" + printable(entry.name) + "\": " + what +
      "; the file is damaged, fetch or write it again");
}

// Each entry reaches from its local header to the end of its data, and the directory follows.
void check_overlaps(
    const std::vector<ZipEntry>& entries, uint64_t directory, const std::string& file_name) {
  std::vector<const ZipEntry*> sorted;
  for (const ZipEntry& entry : entries) {
    sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(), [](const ZipEntry* a, const ZipEntry* b) {
    return a->header_offset < b->header_offset;
  });
  for (size_t i = 0; i < sorted.size(); ++i) {
    const uint64_t next = i + 1 < sorted.size() ? sorted[i + 1]->header_offset : directory;
    if (sorted[i]->offset + sorted[i]->size > next) {
      fail(file_name, *sorted[i], "overlaps what follows it");
    }
  }
}

}  // namespace

struct ZipArchive::Verified {
  std::mutex mutex;
  std::vector<bool> entries;
};

ZipArchive::ZipArchive(std::span<const std::byte> bytes, std::string_view name)
    : bytes_(bytes), name_(name), verified_(std::make_unique<Verified>()) {}

ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;
ZipArchive& ZipArchive::operator=(ZipArchive&&) noexcept = default;
ZipArchive::~ZipArchive() = default;

ZipArchive ZipArchive::parse(std::span<const std::byte> bytes, std::string_view name) {
  ZipArchive archive(bytes, name);
  const ZipDirectory directory = find_zip_directory(bytes, archive.name_);
  archive.entries_ = read_zip_directory(bytes, directory, archive.name_);
  check_overlaps(archive.entries_, directory.offset, archive.name_);
  for (size_t i = 0; i < archive.entries_.size(); ++i) {
    if (!archive.index_.emplace(archive.entries_[i].name, i).second) {
      fail(archive.name_, archive.entries_[i], "the name appears twice");
    }
  }
  archive.has_checksums_ = std::any_of(
      archive.entries_.begin(), archive.entries_.end(), [](const auto& e) { return e.crc != 0; });
  archive.verified_->entries.resize(archive.entries_.size(), !archive.has_checksums_);
  return archive;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> ZipArchive::data(const ZipEntry& entry) const {
  const auto found = index_.find(entry.name);
  if (found == index_.end() || &entries_[found->second] != &entry) {
    throw std::invalid_argument(name_ + ": data: expected an entry of this archive");
  }
  const auto bytes = bytes_.subspan(entry.offset, entry.size);
  const std::lock_guard lock(verified_->mutex);
  if (!verified_->entries[found->second]) {
    if (crc32(bytes) != entry.crc) {
      fail(name_, entry, "the data do not match their CRC-32");
    }
    verified_->entries[found->second] = true;
  }
  return bytes;
}

}  // namespace vim::weights
