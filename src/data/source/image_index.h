// The list of a data set's images in one file that is mapped, not read: opening it takes as long
// for a million images as for ten, and all processes of a host share its pages.
//
// Little-endian, in this order:
//   header   64 bytes: magic "VIMINDEX", version u32, reserved u32, entries u64, bytes of the table
//            u64, bytes of the names u64, XXH3-64 of the table u64, reserved u64, XXH3-64 of the
//            56 bytes before u64
//   table    IndexTable: flags, folders, classes and sources; filled with zeros to 8 bytes
//   entries  24 bytes each: source u16 above offset u48, length u32, label u32, begin of the name
//            u32, and the low half of XXH3-64 over the 20 bytes before and the name's hash
//   names    one behind the other
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vim::data {

/// What an index was made from, and must be as it was for the index to be good.
enum class SourceRole : uint32_t { kTar, kFolder, kLabels, kSynsets };

struct IndexSource {
  SourceRole role = SourceRole::kTar;
  std::string path;      // from the data set's own folder
  uint64_t size = 0;     // kFolder: 0, or for the root, whose time changes, a hash of its names
  int64_t mtime_ns = 0;  // since 1970

  bool operator==(const IndexSource&) const = default;
};

/// What holds for all entries.
struct IndexTable {
  bool is_folder = false;  // images are files, not members of tar files
  bool is_flat = false;    // names do not begin with a class
  std::string inner;       // the folder inside the tar files that was asked for
  std::string root;        // the folder inside the tar files that holds the classes
  std::vector<std::string> classes;
  std::vector<IndexSource> sources;
};

/// One image. `name` is its path below the class folder, or below the root of a flat set.
struct IndexEntry {
  uint32_t source = 0;  // place in the table
  uint64_t offset = 0;  // of its bytes in the source; below 2^48
  uint32_t length = 0;
  uint32_t label = 0;
  std::string_view name;
};

/// Numbers of an index that its format bounds.
inline constexpr uint64_t kMaxIndexOffset = (uint64_t{1} << 48) - 1;
inline constexpr uint64_t kMaxIndexSource = (uint64_t{1} << 16) - 1;

/// Gathers the bytes of an index in memory.
class ImageIndexWriter {
 public:
  /// Throws vim::Error if the entry does not fit the format.
  void add(const IndexEntry& entry);

  /// The whole file.
  std::string finish(const IndexTable& table) const;

 private:
  std::string entries_;
  std::string names_;
};

/// An index, mapped or in memory. All members may be called from several threads at once.
class ImageIndex {
 public:
  /// Maps a file. Throws vim::Error naming it if it is no sound index; damage to entries is found
  /// when they are read.
  static ImageIndex map(const std::filesystem::path& path);

  /// Takes the bytes of a file; `name` stands in errors.
  static ImageIndex from_bytes(std::string bytes, std::string name);

  int64_t size() const { return static_cast<int64_t>(num_entries_); }
  const IndexTable& table() const { return table_; }
  uint64_t num_bytes() const { return bytes_.size(); }

  /// Entry 0 <= index < size(). Throws vim::Error naming the file if the entry is damaged,
  /// std::out_of_range for another number.
  IndexEntry entry(int64_t index) const;

 private:
  ImageIndex(std::shared_ptr<const void> owner, std::span<const std::byte> bytes, std::string name);
  void parse();
  [[noreturn]] void fail(const std::string& what) const;

  std::shared_ptr<const void> owner_;  // keeps the bytes
  std::span<const std::byte> bytes_;
  std::string name_;
  IndexTable table_;
  uint64_t num_entries_ = 0;
  std::span<const std::byte> entries_;
  std::string_view names_;
};

/// True if the file is an index of any version, or there is none at the path.
bool may_replace_index(const std::filesystem::path& path);

}  // namespace vim::data
