// Walks through the members of a tar file: v7, ustar, GNU and pax headers. Nothing is unpacked; a
// name is text and never becomes a path.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "src/data/source/tar_source.h"

namespace vim::data {

struct TarHeader;

enum class TarKind { kFile, kFolder, kLink, kOther };

struct TarMember {
  std::string name;  // as it stands in the file
  TarKind kind = TarKind::kFile;
  uint64_t offset = 0;  // of its bytes, from the beginning of the source
  uint64_t size = 0;    // 0 for links and folders
};

/// Every header's checksum is verified and every member must lie within the file. Sparse members
/// and files in several volumes are refused. Memory: at most a window of 256 KiB and one header of
/// 1 MiB.
class TarReader {
 public:
  /// `source` must outlive the reader.
  explicit TarReader(const ByteSource& source);

  /// A reader of a tar file that is a member of this one. Its offsets, in members and in errors,
  /// count from the beginning of the outer file.
  TarReader open(const TarMember& member) const;

  /// Goes to the next member; false at the end: two zero blocks, or the end of the source. Throws
  /// vim::Error with source and byte if the file is cut short or damaged.
  bool next(TarMember& member);

  /// Once next() has given false: whether zero blocks mark the end. A file without them may have
  /// been cut off between two members.
  bool has_end_mark() const { return has_end_mark_; }

 private:
  class Window;
  struct Extension;

  TarReader(std::shared_ptr<Window> window, const TarMember& member);
  bool is_at_end();
  TarHeader read_header();
  std::string read_text(const TarHeader& header);
  void check_size(const TarHeader& header, uint64_t size) const;
  bool extend(const TarHeader& header, Extension& extension);
  void finish(const TarHeader& header, const Extension& extension, TarMember& member);
  [[noreturn]] void fail(uint64_t offset, const std::string& what) const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::shared_ptr<Window> window_;
  std::string inner_name_;  // of the tar file inside another one, or ""
  uint64_t begin_;
  uint64_t position_;  // of the next header
  uint64_t end_;
  bool has_end_mark_ = false;
};

/// The text with control characters replaced, for messages.
std::string printable_name(std::string text);

}  // namespace vim::data
