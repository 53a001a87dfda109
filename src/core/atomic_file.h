// Files that are either complete or absent, whatever happens while they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace vim::core {

/// A file that appears under its name when it is committed, and not before: until then it has a
/// temporary name in the same folder, which no other file has, not even one of another host.
/// Without a commit it is removed again.
class AtomicFile {
 public:
  /// Creates the temporary file and missing folders. Throws vim::Error naming the path and the
  /// system's reason, as all members do.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void append(std::span<const std::byte> bytes);

  /// Cuts the file, or lengthens it by zeros, to that many bytes.
  void set_size(uint64_t size);

  /// Writes at a distance from the beginning.
  void write_at(uint64_t offset, std::span<const std::byte> bytes);

  /// Flushes the file to disk, renames it into place, replacing an old one, and flushes the folder.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_;
};

/// Appends bytes to the file being written.
using WriteBytes = std::function<void(std::span<const std::byte>)>;

/// Writes `path` through `produce` as an AtomicFile. Throws vim::Error naming the path and the
/// system's reason; the old file, if any, is then still in place and the temporary one removed.
void write_file_atomically(
    const std::filesystem::path& path, const std::function<void(const WriteBytes&)>& produce);

/// The same for a text at hand.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// True for the temporary names that an interrupted write may leave behind.
bool is_unfinished_file(const std::filesystem::path& path);

}  // namespace vim::core
