// What a loader hands out in an epoch, to be compared.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/loader.h"

namespace vim::test {

/// Height and width of the images that are loaded.
inline constexpr int64_t kLoadedSide = 8;

struct LoadedEpoch {
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  std::vector<int64_t> indices;
  std::vector<int64_t> first_positions;
  std::vector<int64_t> sizes;

  bool operator==(const LoadedEpoch&) const = default;
};

/// All batches that are left, of kLoadedSide x kLoadedSide pixels.
LoadedEpoch drain(data::Loader& loader);

/// 0, 1, ... n - 1.
std::vector<int64_t> in_order(int64_t n);

}  // namespace vim::test
