#include "tests/data/loaded_epoch.h"

#include <numeric>

namespace vim::test {

LoadedEpoch drain(data::Loader& loader) {
  LoadedEpoch epoch;
  while (const data::LoadedBatch* batch = loader.next()) {
    epoch.pixels.insert(
        epoch.pixels.end(),
        batch->images,
        batch->images + batch->size * kLoadedSide * kLoadedSide * 3);
    epoch.labels.insert(epoch.labels.end(), batch->labels.begin(), batch->labels.end());
    epoch.indices.insert(epoch.indices.end(), batch->indices.begin(), batch->indices.end());
    epoch.first_positions.push_back(batch->first_position);
    epoch.sizes.push_back(batch->size);
  }
  return epoch;
}

std::vector<int64_t> in_order(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

}  // namespace vim::test
