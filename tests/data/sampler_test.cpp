// Properties of orders; those of PyTorch and the official sampler are compared in the golden runner
// (sampler).
#include "src/data/sampler.h"

#include <algorithm>

#include "tests/support/catch.h"

using vim::data::ShardOptions;

TEST_CASE("Only the low 32 bits of a permutation's seed count") {
  const uint64_t seed = 12345;
  CHECK(
      vim::data::torch_randperm(50, seed) ==
      vim::data::torch_randperm(50, seed + (uint64_t{7} << 32)));
}

TEST_CASE("distributed_order deals images out in turn and fills up from the start") {
  ShardOptions shard;
  shard.world = 4;
  shard.shuffle = false;
  const auto order_of = [&shard](int64_t rank) {
    shard.rank = rank;
    return vim::data::distributed_order(10, shard);
  };
  CHECK(order_of(0) == std::vector<int64_t>{0, 4, 8});
  CHECK(order_of(1) == std::vector<int64_t>{1, 5, 9});
  CHECK(order_of(2) == std::vector<int64_t>{2, 6, 0});
  CHECK(order_of(3) == std::vector<int64_t>{3, 7, 1});
}

TEST_CASE("repeated_augmentation_order begins as published for 1000 images on 4 replicas") {
  ShardOptions shard;
  shard.world = 4;
  shard.rank = 1;
  shard.epoch = 3;
  const auto order = vim::data::repeated_augmentation_order(1000, shard);
  const std::vector<int64_t> expected = {986, 114, 894, 140, 885, 402, 837, 674, 689, 69, 180, 439};
  REQUIRE(order.size() == 192);
  CHECK(std::equal(expected.begin(), expected.end(), order.begin()));
}

TEST_CASE("repeated_augmentation_order gives nothing below 256 images") {
  CHECK(vim::data::repeated_augmentation_order(255, ShardOptions{}).empty());
}

TEST_CASE("repeated_augmentation_order has ImageNet's published length") {
  ShardOptions shard;
  shard.world = 8;
  CHECK(vim::data::repeated_augmentation_order(1281167, shard).size() == 160128);
}

TEST_CASE("shuffled_order visits every image once and differs between epochs") {
  auto order = vim::data::shuffled_order(1000, 3, 4);
  CHECK(order == vim::data::torch_randperm(1000, 7));
  CHECK(order != vim::data::shuffled_order(1000, 3, 5));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) {
    REQUIRE(order[static_cast<size_t>(i)] == i);
  }
}

TEST_CASE("Orders of no images are empty and impossible arguments are refused") {
  CHECK(vim::data::torch_randperm(0, 1).empty());
  CHECK(vim::data::distributed_order(0, ShardOptions{}).empty());
  CHECK_THROWS_AS(vim::data::torch_randperm(-1, 1), std::invalid_argument);
  CHECK_THROWS_AS(vim::data::torch_randperm(int64_t{1} << 32, 1), std::invalid_argument);
  ShardOptions shard;
  shard.rank = 1;
  CHECK_THROWS_AS(vim::data::distributed_order(10, shard), std::invalid_argument);
}
