// One header after the other. Headers that speak of the next member (long names, pax records) are
// gathered until it comes.
#include "src/data/source/tar_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "src/core/error.h"
#include "src/data/source/tar_header.h"

namespace vim::data {
namespace {

constexpr uint64_t kLargestText = uint64_t{1} << 20;  // of a long name or a pax header
constexpr uint64_t kSmallRead = 4096;
constexpr uint64_t kLargeRead = uint64_t{256} << 10;
constexpr uint64_t kNear = uint64_t{64} << 10;

uint64_t round_up(uint64_t size) { return (size + kTarBlock - 1) / kTarBlock * kTarBlock; }

// The tool that unpacks what begins with these bytes, or "".
std::string_view unpacker_of(std::span<const uint8_t> bytes) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kMagics = {
      {{"\x1F\x8B", "gunzip"},
       {"\x28\xB5\x2F\xFD", "unzstd"},
       {"\xFD\x37zXZ", "unxz"},
       {"BZh", "bunzip2"}}};
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const auto& [magic, tool] : kMagics) {
    if (text.starts_with(magic)) {
      return tool;
    }
  }
  return "";
}

TarKind kind_of(const TarHeader& header) {
  switch (header.type) {
    case '0':
    case '7':  // contiguous
      return header.name.ends_with('/') ? TarKind::kFolder : TarKind::kFile;
    case '1':
    case '2':
      return TarKind::kLink;
    case '5':
      return TarKind::kFolder;
    default:
      return TarKind::kOther;
  }
}

// Links, devices and folders: whatever their size says, no bytes follow.
bool has_no_bytes(char type) { return type >= '1' && type <= '6'; }

}  // namespace

// The stretch of the source read last. Headers close to one another are read many at a time, those
// between large members alone.
class TarReader::Window {
 public:
  explicit Window(const ByteSource& source) : source_(source) {}

  const ByteSource& source() const { return source_; }

  // The block must lie within the source.
  TarBlock block_at(uint64_t offset) {
    const uint64_t end = begin_ + bytes_.size();
    if (offset < begin_ || offset + kTarBlock > end) {
      const bool is_near = offset >= begin_ && offset < end + kNear;
      const uint64_t wanted = is_near ? kLargeRead : kSmallRead;
      bytes_.resize(std::min(wanted, source_.size() - offset));
      begin_ = offset;
      source_.read_at(offset, bytes_);
    }
    return std::span(bytes_).subspan(offset - begin_).first<kTarBlock>();
  }

 private:
  const ByteSource& source_;
  std::vector<uint8_t> bytes_;
  uint64_t begin_ = 0;
};

// What headers in front of a member say about it.
struct TarReader::Extension {
  std::optional<std::string> name;
  std::optional<uint64_t> size;
};

TarReader::TarReader(const ByteSource& source)
    : window_(std::make_shared<Window>(source)), begin_(0), position_(0), end_(source.size()) {}

TarReader::TarReader(std::shared_ptr<Window> window, const TarMember& member)
    : window_(std::move(window)),
      inner_name_(printable_name(member.name)),
      begin_(member.offset),
      position_(member.offset),
      end_(member.offset + member.size) {}

TarReader TarReader::open(const TarMember& member) const { return {window_, member}; }

bool TarReader::next(TarMember& member) {
  Extension extension;
  bool is_extended = false;
  while (!is_at_end()) {
    const TarHeader header = read_header();
    if (!extend(header, extension)) {
      finish(header, extension, member);
      return true;
    }
    is_extended = true;
  }
  if (is_extended) {
    fail(position_, "it ends behind a header that belongs to a further member");
  }
  return false;
}

bool TarReader::is_at_end() {
  if (has_end_mark_ || position_ >= end_) {
    return true;
  }
  if (end_ - position_ < kTarBlock) {
    fail(position_, "it ends within a header");
  }
  if (!is_zero_block(window_->block_at(position_))) {
    return false;
  }
  const uint64_t second = position_ + kTarBlock;
  if (second + kTarBlock <= end_ && !is_zero_block(window_->block_at(second))) {
    fail(position_, "a block of zeros where a header is expected");
  }
  has_end_mark_ = true;
  return true;
}

// Passes over the header; position_ is then where its bytes begin.
TarHeader TarReader::read_header() {
  const TarBlock block = window_->block_at(position_);
  try {
    TarHeader header = parse_tar_header(block);
    position_ += kTarBlock;
    return header;
  } catch (const BadTar& bad) {
    const std::string_view tool = position_ == begin_ ? unpacker_of(block) : "";
    if (!tool.empty()) {
      refuse(fmt::format("is compressed; unpack it by {}, leaving a plain .tar", tool));
    }
    fail(position_, position_ == begin_ ? "this is no tar file" : bad.what());
  }
}

// Takes in a header that is no member itself; false for those that are.
bool TarReader::extend(const TarHeader& header, Extension& extension) {
  const uint64_t offset = position_;
  switch (header.type) {
    case 'L': {
      const std::string text = read_text(header);
      extension.name = text.substr(0, text.find('\0'));
      return true;
    }
    case 'K':  // where a link points to
    case 'g':  // of all members that follow; nothing of it matters here
      read_text(header);
      return true;
    case 'x':
    case 'X':  // Sun's letter for it
      break;
    default:
      return false;
  }
  try {
    for (auto& [key, value] : parse_pax_records(read_text(header))) {
      if (key == "path") {
        extension.name = value;
      } else if (key == "size") {
        extension.size = parse_tar_decimal(value);
      } else if (key.starts_with("GNU.sparse.")) {
        refuse(fmt::format("holds a sparse member at byte {}; pack it without --sparse", offset));
      }
    }
  } catch (const BadTar& bad) {
    fail(offset, bad.what());
  }
  return true;
}

void TarReader::finish(const TarHeader& header, const Extension& extension, TarMember& member) {
  member.name = extension.name.value_or(header.name);
  if (header.type == 'S' || header.type == 'M') {
    refuse(fmt::format(
        "{} at byte {} is {}; pack it again as a plain tar file",
        printable_name(member.name),
        position_ - kTarBlock,
        header.type == 'S' ? "a sparse member" : "continued from another volume"));
  }
  TarHeader complete = header;
  complete.name = member.name;
  member.kind = kind_of(complete);
  member.size = has_no_bytes(header.type) ? 0 : extension.size.value_or(header.size);
  member.offset = position_;
  check_size(complete, member.size);
  position_ += std::min(round_up(member.size), end_ - position_);  // the padding may be left out
}

std::string TarReader::read_text(const TarHeader& header) {
  if (header.size > kLargestText) {
    fail(position_ - kTarBlock, fmt::format("a name or header of {} bytes", header.size));
  }
  check_size(header, header.size);
  std::string text(header.size, '\0');
  window_->source().read_at(position_, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
  position_ += std::min(round_up(header.size), end_ - position_);
  return text;
}

void TarReader::check_size(const TarHeader& header, uint64_t size) const {
  if (size > end_ - position_) {
    fail(
        position_ - kTarBlock,
        fmt::format(
            "{} is to have {} bytes, but only {} follow",
            printable_name(header.name),
            size,
            end_ - position_));
  }
}

void TarReader::fail(uint64_t offset, const std::string& what) const {
  throw Error(fmt::format(
      "{}: damaged at byte {}{}: {}; download or copy the file again",
      window_->source().name(),
      offset,
      inner_name_.empty() ? "" : fmt::format(" (in {})", inner_name_),
      what));
}

void TarReader::refuse(const std::string& what) const {
  throw Error(fmt::format(
      "{}: {}{}", window_->source().name(), inner_name_.empty() ? "" : inner_name_ + " ", what));
}

std::string printable_name(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return text;
}

}  // namespace vim::data
