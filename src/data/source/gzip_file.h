// Files compressed by gzip.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace vim::data {

/// The file's bytes, unpacked and verified by its CRC-32. Throws vim::Error naming the file, and
/// the byte if it is damaged, or if it has more than `limit` bytes unpacked.
std::vector<uint8_t> read_gzip_file(const std::filesystem::path& path, uint64_t limit);

}  // namespace vim::data
