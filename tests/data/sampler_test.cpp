// Orders against those of PyTorch and the official sampler, from the golden data.
#include "src/data/sampler.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/catch.h"

namespace {

using vim::data::ShardOptions;

nlohmann::json read_golden() {
  const char* folder = std::getenv("VIM_GOLDEN_DIR");
  std::ifstream file(std::string(folder != nullptr ? folder : "tests/golden") + "/sampler.json");
  REQUIRE(file);
  return nlohmann::json::parse(file);
}

ShardOptions shard_of(const nlohmann::json& test_case, size_t rank) {
  ShardOptions shard;
  shard.world = test_case.at("world").get<int64_t>();
  shard.rank = static_cast<int64_t>(rank);
  shard.seed = test_case.value("seed", uint64_t{0});
  shard.epoch = test_case.at("epoch").get<uint64_t>();
  shard.shuffle = test_case.value("shuffle", true);
  return shard;
}

}  // namespace

TEST_CASE("torch_randperm equals torch.randperm for every golden seed") {
  const nlohmann::json golden = read_golden();
  for (const auto& [seed, expected] : golden.at("randperm20_by_seed").items()) {
    INFO("seed " << seed);
    CHECK(vim::data::torch_randperm(20, std::stoull(seed)) == expected.get<std::vector<int64_t>>());
  }
}

TEST_CASE("Only the low 32 bits of a permutation's seed count") {
  const uint64_t seed = 12345;
  CHECK(
      vim::data::torch_randperm(50, seed) ==
      vim::data::torch_randperm(50, seed + (uint64_t{7} << 32)));
}

TEST_CASE("distributed_order equals PyTorch's DistributedSampler") {
  const nlohmann::json golden = read_golden();
  for (const nlohmann::json& test_case : golden.at("distributed")) {
    const auto& ranks = test_case.at("ranks");
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      INFO(test_case.dump() << " rank " << rank);
      const auto order =
          vim::data::distributed_order(test_case.at("n").get<int64_t>(), shard_of(test_case, rank));
      CHECK(order == ranks[rank].get<std::vector<int64_t>>());
    }
  }
}

TEST_CASE("repeated_augmentation_order equals the official RASampler") {
  const nlohmann::json golden = read_golden();
  for (const nlohmann::json& test_case : golden.at("repeated_augmentation")) {
    const auto& ranks = test_case.at("ranks");
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      INFO("n " << test_case.at("n") << " world " << test_case.at("world") << " rank " << rank);
      const auto order = vim::data::repeated_augmentation_order(
          test_case.at("n").get<int64_t>(), shard_of(test_case, rank));
      CHECK(order == ranks[rank].get<std::vector<int64_t>>());
    }
  }
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
