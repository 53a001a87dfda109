// Small files in a folder, or in the .tar.gz in which they are downloaded: CIFAR, ImageNet's
// development kit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vim::data {

class PackedFiles {
 public:
  /// `path`: a folder, or a .tar.gz, which is unpacked in memory. Throws vim::Error naming an
  /// archive that cannot be read, and the byte where it is damaged.
  explicit PackedFiles(const std::filesystem::path& path);

  /// What to call one of the files in a message.
  std::string name(const std::string& file) const;

  /// Makes `bytes` the file's; false if there is none. In an archive folders do not matter.
  bool read(const std::string& file, std::vector<uint8_t>& bytes) const;

 private:
  struct Place {
    uint64_t offset = 0;
    uint64_t size = 0;
  };

  std::filesystem::path path_;
  bool is_archive_;
  std::vector<uint8_t> archive_;  // unpacked
  std::map<std::string, Place> members_;
};

/// Whether the path is named as a compressed tar file.
bool is_archive_name(const std::filesystem::path& path);

}  // namespace vim::data
