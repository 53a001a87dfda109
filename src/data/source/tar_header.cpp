// Offsets are those of struct posix_header; a field ends at its first NUL or where it is full.
#include "src/data/source/tar_header.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace vim::data {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();

struct Field {
  size_t begin;
  size_t size;
};
constexpr Field kName = {0, 100};
constexpr Field kSize = {124, 12};
constexpr Field kChecksum = {148, 8};
constexpr size_t kType = 156;
constexpr Field kMagic = {257, 6};
constexpr Field kPrefix = {345, 155};

std::span<const uint8_t> bytes_of(TarBlock block, Field field) {
  return block.subspan(field.begin, field.size);
}

std::string text_of(TarBlock block, Field field) {
  const auto bytes = bytes_of(block, field);
  return {bytes.begin(), std::find(bytes.begin(), bytes.end(), uint8_t{0})};
}

// Octal digits, which blanks may surround and a blank or NUL ends.
uint64_t parse_octal(std::span<const uint8_t> bytes, const char* what) {
  auto digit = std::find_if(bytes.begin(), bytes.end(), [](uint8_t c) { return c != ' '; });
  uint64_t value = 0;
  for (; digit != bytes.end() && *digit >= '0' && *digit <= '7'; ++digit) {
    value = value * 8 + (*digit - uint8_t{'0'});  // 12 digits at most
  }
  if (digit != bytes.end() && *digit != ' ' && *digit != 0) {
    throw BadTar(std::string("its ") + what + " is no octal number");
  }
  return value;
}

// GNU's binary form: the first bit set, then the number with its highest byte first.
uint64_t parse_base256(std::span<const uint8_t> bytes) {
  uint64_t value = bytes.front() & 0x7FU;
  for (const uint8_t byte : bytes.subspan(1)) {
    if (value > kLargest >> 8U) {
      throw BadTar("its size is negative or above 2^63");
    }
    value = value << 8U | byte;
  }
  return value;
}

uint64_t parse_size(std::span<const uint8_t> bytes) {
  return (bytes.front() & 0x80U) != 0 ? parse_base256(bytes) : parse_octal(bytes, "size");
}

// The sum of all bytes, those of the sum itself taken as blanks. Some old programs added up signed
// characters.
void check_sum(TarBlock block) {
  const uint64_t stored = parse_octal(bytes_of(block, kChecksum), "checksum");
  uint64_t sum = kChecksum.size * ' ';
  uint64_t negative = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    if (i < kChecksum.begin || i >= kChecksum.begin + kChecksum.size) {
      sum += block[i];
      negative += block[i] >= 0x80 ? 0x100 : 0;
    }
  }
  if (stored != sum && stored + negative != sum) {
    throw BadTar("the checksum of a header does not match");
  }
}

}  // namespace

bool is_zero_block(TarBlock block) {
  return std::all_of(block.begin(), block.end(), [](uint8_t byte) { return byte == 0; });
}

TarHeader parse_tar_header(TarBlock block) {
  check_sum(block);
  TarHeader header;
  header.name = text_of(block, kName);
  header.size = parse_size(bytes_of(block, kSize));
  header.type = block[kType] == 0 ? '0' : static_cast<char>(block[kType]);
  // GNU's own headers, "ustar  ", keep other things where POSIX has the prefix.
  const auto magic = bytes_of(block, kMagic);
  const std::string prefix = text_of(block, kPrefix);
  if (std::string_view(reinterpret_cast<const char*>(magic.data()), 6) ==
          std::string_view("ustar\0", 6) &&
      !prefix.empty()) {
    header.name = prefix + "/" + header.name;
  }
  return header;
}

uint64_t parse_tar_decimal(std::string_view text) {
  uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || value > (kLargest - 9) / 10) {
      throw BadTar("a number in a pax header is wrong");
    }
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (text.empty()) {
    throw BadTar("a number in a pax header is missing");
  }
  return value;
}

std::map<std::string, std::string, std::less<>> parse_pax_records(std::string_view text) {
  std::map<std::string, std::string, std::less<>> records;
  while (!text.empty()) {
    const size_t blank = text.find(' ');
    const uint64_t length = parse_tar_decimal(text.substr(0, std::min(blank, text.size())));
    if (blank == std::string_view::npos || length <= blank + 1 || length > text.size() ||
        text[length - 1] != '\n') {
      throw BadTar("the length of a pax record is wrong");
    }
    const std::string_view record = text.substr(blank + 1, length - blank - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) {
      throw BadTar("a pax record has no key");
    }
    records[std::string(record.substr(0, equals))] = record.substr(equals + 1);
    text.remove_prefix(length);
  }
  return records;
}

}  // namespace vim::data
