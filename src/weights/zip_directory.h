// The parts of a zip archive around its data: end record, central directory, local headers.
// Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/weights/zip_archive.h"

namespace vim::weights {

/// Where the central directory lies and how many entries it claims.
struct ZipDirectory {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t num_entries = 0;
};

/// Finds the end record, with its 64-bit twin where there is one. Throws vim::Error.
ZipDirectory find_zip_directory(std::span<const std::byte> bytes, const std::string& file_name);

/// Reads all entries and the place of their data from the local headers. Throws vim::Error.
std::vector<ZipEntry> read_zip_directory(
    std::span<const std::byte> bytes, const ZipDirectory& directory, const std::string& file_name);

}  // namespace vim::weights
