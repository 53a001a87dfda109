// A whole file at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vim::data {

/// Makes `bytes` the file's. Throws vim::Error naming the file and the system's reason.
void read_file(const std::string& path, std::vector<uint8_t>& bytes);
std::vector<uint8_t> read_file(const std::string& path);

}  // namespace vim::data
