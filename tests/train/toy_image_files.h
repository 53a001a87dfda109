// Small JPEG files for tests of prediction.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vim::test {

/// Writes `count` different images 0.jpg, 1.jpg, ... and returns their paths.
std::vector<std::string> write_image_files(const std::filesystem::path& folder, int count);

}  // namespace vim::test
