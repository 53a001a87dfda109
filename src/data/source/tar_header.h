// One 512-byte header block of a tar file: v7, ustar and GNU fields (POSIX.1-2017, pax, "ustar
// Interchange Format"; GNU tar manual, "Basic Tar Format"). Internal to this folder.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vim::data {

inline constexpr uint64_t kTarBlock = 512;

using TarBlock = std::span<const uint8_t, kTarBlock>;

/// What is wrong with a block, without saying where.
class BadTar : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TarHeader {
  std::string name;  // with ustar's prefix in front
  uint64_t size = 0;
  char type = '0';
};

/// True for the blocks that mark the end.
bool is_zero_block(TarBlock block);

/// Throws BadTar if the checksum or a number is wrong.
TarHeader parse_tar_header(TarBlock block);

/// The records "LENGTH KEY=VALUE\n" of a pax header; of equal keys the last counts. Throws BadTar
/// if they do not fill the text exactly.
std::map<std::string, std::string, std::less<>> parse_pax_records(std::string_view text);

/// A number in decimal digits alone. Throws BadTar if it is none or above 2^63 - 1.
uint64_t parse_tar_decimal(std::string_view text);

}  // namespace vim::data
