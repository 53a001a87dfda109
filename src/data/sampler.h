// In which order an epoch visits the images.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/source/dataset.h"

namespace vim::data {

/// torch.randperm(n) from a CPU generator with that seed (its low 32 bits count). n < 2^32 / 20,
/// above which torch draws otherwise: std::invalid_argument.
std::vector<int64_t> torch_randperm(int64_t n, uint64_t seed);

/// The order of one epoch over n images: torch_randperm(n, seed + epoch).
std::vector<int64_t> shuffled_order(int64_t n, uint64_t seed, uint64_t epoch);

/// What one of `world` processes sees.
struct ShardOptions {
  int64_t world = 1;
  int64_t rank = 0;
  uint64_t seed = 0;
  uint64_t epoch = 0;
  bool shuffle = true;
};

/// PyTorch's DistributedSampler: the permutation (or 0..n-1), padded with its own beginning to a
/// multiple of `world`, every world-th entry from `rank` on.
std::vector<int64_t> distributed_order(int64_t n, const ShardOptions& shard);

/// What process `rank` of `world` evaluates of n images: every world-th from `rank` on, none twice.
std::vector<int64_t> evaluation_order(int64_t n, int64_t world, int64_t rank);

/// Image numbers by class, ascending.
std::vector<std::vector<int64_t>> images_by_class(const Dataset& dataset);

/// As many positions as there are images. Of each class that has any, equally often, or once more
/// for those that a draw picks where the number does not divide; of the images of a class, each
/// equally often or once more. `by_class`: see images_by_class.
std::vector<int64_t> class_balanced_order(
    const std::vector<std::vector<int64_t>>& by_class, uint64_t seed, uint64_t epoch);

/// Which of the training orders, and what it depends on.
struct TrainingOrder {
  SamplerKind kind = SamplerKind::kRandom;
  bool is_repeated = false;  // repeated augmentation, in place of kRandom; its seed is the epoch
  uint64_t seed = 0;
};

/// The order of one epoch of training for all processes together: what the official samplers deal
/// out to them, rank by rank, is this list in turn.
std::vector<int64_t> training_order(
    const Dataset& dataset, const TrainingOrder& order, uint64_t epoch);

/// Images in an epoch of repeated_augmentation_order over n images, of all processes together: n
/// rounded down to a multiple of 256, as long as `world` divides it.
int64_t repeated_augmentation_size(int64_t n);

/// The official RASampler, three repeats: every index three times in a row, padded with the list's
/// own beginning, every world-th entry from `rank` on, of which floor(floor(n / 256) * 256 / world)
/// are kept: none below 256 images. The permutation's seed is the epoch alone; shard.seed and
/// shard.shuffle are not used.
std::vector<int64_t> repeated_augmentation_order(int64_t n, const ShardOptions& shard);

}  // namespace vim::data
