// A whole file at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/data/source/retry.h"

namespace vim::data {

/// Makes `bytes` the file's. Errors that may pass are tried again, each time with the file opened
/// anew. Throws ReadError naming the file and the system's reason.
void read_file(
    const std::string& path, std::vector<uint8_t>& bytes, const RetryPolicy& policy = {});
std::vector<uint8_t> read_file(const std::string& path);

}  // namespace vim::data
