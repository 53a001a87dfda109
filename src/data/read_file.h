// A whole file at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vim::data {

/// The file's bytes. Throws vim::Error naming the file and the system's reason.
std::vector<uint8_t> read_file(const std::string& path);

}  // namespace vim::data
