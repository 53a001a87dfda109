// The generated data set of the quick start: ten shapes on cluttered backgrounds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/core/philox.h"
#include "src/data/image/image.h"

namespace vim::data {

/// The ten classes by number.
const std::vector<std::string>& shape_names();

/// One picture of a shape, size x size, 16 <= size <= 512. Colours, size, place, rotation and
/// background are drawn from the key and do not depend on the class. Throws std::invalid_argument
/// on a class or size out of range, vim::Error in a build without OpenCV.
Image draw_shape(int64_t class_index, int64_t size, const core::RandomKey& key);

struct ShapesOptions {
  int64_t size = 32;
  int64_t train_per_class = 2000;
  int64_t test_per_class = 200;
  uint64_t seed = 0;
};

/// Writes <dir>/{train,test}/<class>/NNNNN.jpg (quality 95). Does nothing if `dir` already holds
/// the set of these options; makes it again after an interrupted run. Throws vim::Error if `dir`
/// holds anything else or cannot be written.
void make_shapes(const std::filesystem::path& dir, const ShapesOptions& options);

}  // namespace vim::data
