// Permutations and shards as PyTorch and the official code draw them, number for number.
#include "src/data/sampler.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

#include <fmt/format.h>

#include "src/core/philox.h"

namespace vim::data {
namespace {

constexpr int64_t kRandperm32BitLimit = int64_t{UINT32_MAX} / 20;
constexpr int64_t kRepeats = 3;
constexpr int64_t kSelectedRound = 256;

void check_shard(int64_t n, const ShardOptions& shard) {
  if (n < 0 || shard.world < 1 || shard.rank < 0 || shard.rank >= shard.world) {
    throw std::invalid_argument(fmt::format(
        "sampler: n >= 0 and 0 <= rank < world required, got n {}, rank {}, world {}",
        n,
        shard.rank,
        shard.world));
  }
}

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Every world-th entry from rank on of the list continued periodically to a multiple of world.
std::vector<int64_t> take_shard(const std::vector<int64_t>& list, const ShardOptions& shard) {
  const auto length = static_cast<int64_t>(list.size());
  const int64_t total = round_up(length, shard.world);
  std::vector<int64_t> taken;
  taken.reserve(static_cast<size_t>(total / shard.world));
  for (int64_t i = shard.rank; i < total; i += shard.world) {
    taken.push_back(list[static_cast<size_t>(i % length)]);
  }
  return taken;
}

// Fisher and Yates.
template <typename T>
void shuffle(std::vector<T>& list, core::Random& random) {
  for (size_t i = list.size(); i > 1; --i) {
    std::swap(list[i - 1], list[static_cast<size_t>(random.uniform_int(0, int64_t(i) - 1))]);
  }
}

std::vector<int64_t> iota(int64_t n) {
  std::vector<int64_t> list(static_cast<size_t>(n));
  std::iota(list.begin(), list.end(), int64_t{0});
  return list;
}

}  // namespace

std::vector<int64_t> torch_randperm(int64_t n, uint64_t seed) {
  if (n < 0 || n >= kRandperm32BitLimit) {
    throw std::invalid_argument(
        fmt::format("torch_randperm: n must be in [0, {}), got {}", kRandperm32BitLimit, n));
  }
  std::mt19937 generator(static_cast<uint32_t>(seed));
  std::vector<int64_t> list = iota(n);
  for (int64_t i = 0; i + 1 < n; ++i) {
    const auto offset = static_cast<int64_t>(generator()) % (n - i);
    std::swap(list[static_cast<size_t>(i)], list[static_cast<size_t>(i + offset)]);
  }
  return list;
}

std::vector<int64_t> shuffled_order(int64_t n, uint64_t seed, uint64_t epoch) {
  return torch_randperm(n, seed + epoch);
}

std::vector<int64_t> distributed_order(int64_t n, const ShardOptions& shard) {
  check_shard(n, shard);
  return take_shard(shard.shuffle ? shuffled_order(n, shard.seed, shard.epoch) : iota(n), shard);
}

std::vector<int64_t> evaluation_order(int64_t n, int64_t world, int64_t rank) {
  check_shard(n, {.world = world, .rank = rank});
  std::vector<int64_t> order;
  for (int64_t i = rank; i < n; i += world) {
    order.push_back(i);
  }
  return order;
}

std::vector<std::vector<int64_t>> images_by_class(const Dataset& dataset) {
  std::vector<std::vector<int64_t>> by_class(static_cast<size_t>(dataset.num_classes()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    by_class[static_cast<size_t>(dataset.label(i))].push_back(i);
  }
  return by_class;
}

std::vector<int64_t> class_balanced_order(
    const std::vector<std::vector<int64_t>>& by_class, uint64_t seed, uint64_t epoch) {
  std::vector<std::vector<int64_t>> classes;  // those that have images
  size_t num_images = 0;
  for (const std::vector<int64_t>& images : by_class) {
    num_images += images.size();
    if (!images.empty()) {
      classes.push_back(images);
    }
  }
  core::Random random({seed, core::RandomStream::kSampler, epoch});
  shuffle(classes, random);
  std::vector<int64_t> order;
  for (size_t i = 0; i < classes.size(); ++i) {
    const size_t surplus = i < num_images % classes.size() ? 1 : 0;
    shuffle(classes[i], random);
    for (size_t k = 0; k < num_images / classes.size() + surplus; ++k) {
      order.push_back(classes[i][k % classes[i].size()]);
    }
  }
  shuffle(order, random);
  return order;
}

int64_t repeated_augmentation_size(int64_t n) { return n / kSelectedRound * kSelectedRound; }

std::vector<int64_t> repeated_augmentation_order(int64_t n, const ShardOptions& shard) {
  check_shard(n, shard);
  std::vector<int64_t> repeated;
  repeated.reserve(static_cast<size_t>(n * kRepeats));
  for (const int64_t index : torch_randperm(n, shard.epoch)) {
    repeated.insert(repeated.end(), kRepeats, index);
  }
  std::vector<int64_t> taken = take_shard(repeated, shard);
  const int64_t selected = repeated_augmentation_size(n) / shard.world;
  taken.resize(std::min(taken.size(), static_cast<size_t>(selected)));
  return taken;
}

std::vector<int64_t> training_order(
    const Dataset& dataset, const TrainingOrder& order, uint64_t epoch) {
  if (order.is_repeated) {
    return repeated_augmentation_order(dataset.size(), {.epoch = epoch});
  }
  if (order.kind == SamplerKind::kClassBalanced) {
    return class_balanced_order(images_by_class(dataset), order.seed, epoch);
  }
  return shuffled_order(dataset.size(), order.seed, epoch);
}

}  // namespace vim::data
