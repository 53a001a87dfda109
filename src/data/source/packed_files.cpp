#include "src/data/source/packed_files.h"

#include <system_error>

#include "src/data/source/found_images.h"
#include "src/data/source/gzip_file.h"
#include "src/data/source/read_file.h"
#include "src/data/source/tar_reader.h"

namespace vim::data {
namespace {

constexpr uint64_t kMaxUnpacked = uint64_t{1} << 30;  // CIFAR has less than 200 MB

}  // namespace

PackedFiles::PackedFiles(const std::filesystem::path& path)
    : path_(path), is_archive_(is_archive_name(path)) {
  if (!is_archive_) {
    return;
  }
  archive_ = read_gzip_file(path, kMaxUnpacked);
  const MemorySource source(archive_, path.string());
  TarReader reader(source);
  TarMember member;
  while (reader.next(member)) {
    if (member.kind == TarKind::kFile) {
      members_[std::string(base_part(member.name))] = {member.offset, member.size};
    }
  }
}

std::string PackedFiles::name(const std::string& file) const {
  return is_archive_ ? path_.string() + ":" + file : (path_ / file).string();
}

bool PackedFiles::read(const std::string& file, std::vector<uint8_t>& bytes) const {
  if (!is_archive_) {
    std::error_code ignored;
    if (!std::filesystem::exists(path_ / file, ignored)) {
      return false;
    }
    read_file(name(file), bytes);
    return true;
  }
  const auto found = members_.find(file);
  if (found == members_.end()) {
    return false;
  }
  const auto begin = archive_.begin() + static_cast<std::ptrdiff_t>(found->second.offset);
  bytes.assign(begin, begin + static_cast<std::ptrdiff_t>(found->second.size));
  return true;
}

bool is_archive_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".tar.gz") || name.ends_with(".tgz");
}

}  // namespace vim::data
