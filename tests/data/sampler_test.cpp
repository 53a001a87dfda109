// Properties of orders; those of PyTorch and the official sampler are compared in the golden runner
// (sampler).
#include "src/data/sampler.h"

#include <algorithm>

#include "tests/support/catch.h"

using vim::data::ShardOptions;

namespace {

// So many images of one class, without pixels.
class OneClass : public vim::data::Dataset {
 public:
  explicit OneClass(int64_t size) : size_(size) {}

  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t /*index*/) const override { return 0; }
  std::string name(int64_t /*index*/) const override { return ""; }
  vim::data::StoredImage fetch(int64_t /*index*/, std::vector<uint8_t>& /*buffer*/) const override {
    return {};
  }

 private:
  int64_t size_;
  std::vector<std::string> class_names_ = {"all"};
};

}  // namespace

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

TEST_CASE("evaluation_order deals every image out once") {
  std::vector<int64_t> all;
  for (int64_t rank = 0; rank < 4; ++rank) {
    const auto order = vim::data::evaluation_order(10, 4, rank);
    CHECK(order.front() == rank);
    all.insert(all.end(), order.begin(), order.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(all == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(vim::data::evaluation_order(2, 4, 3).empty());
}

TEST_CASE("class_balanced_order visits classes alike, and images of a class alike") {
  // 2, 0, 5 and 13 images: 20 positions, of which each class that has images gets 6 or 7.
  std::vector<std::vector<int64_t>> by_class(4);
  for (int64_t i = 0; i < 20; ++i) {
    by_class[i < 2 ? 0 : i < 7 ? 2 : 3].push_back(i);
  }
  const auto order = vim::data::class_balanced_order(by_class, 3, 8);
  REQUIRE(order.size() == 20);
  std::vector<int64_t> visits(20, 0);
  for (const int64_t image : order) {
    ++visits[static_cast<size_t>(image)];
  }
  for (const std::vector<int64_t>& images : by_class) {
    int64_t of_class = 0;
    int64_t least = 100;
    int64_t most = 0;
    for (const int64_t image : images) {
      const int64_t count = visits[static_cast<size_t>(image)];
      of_class += count;
      least = std::min(least, count);
      most = std::max(most, count);
    }
    CHECK((images.empty() || of_class == 6 || of_class == 7));
    CHECK((images.empty() || most - least <= 1));
  }
}

TEST_CASE("class_balanced_order depends on seed and epoch alone, and on both") {
  const std::vector<std::vector<int64_t>> by_class = {{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9, 10, 11}};
  const auto order = vim::data::class_balanced_order(by_class, 3, 8);
  CHECK(order == vim::data::class_balanced_order(by_class, 3, 8));
  CHECK(order != vim::data::class_balanced_order(by_class, 3, 9));
  CHECK(order != vim::data::class_balanced_order(by_class, 4, 8));
}

TEST_CASE("training_order is the order that its options name") {
  const OneClass dataset(600);
  const auto order = [&dataset](const vim::data::TrainingOrder& options) {
    return training_order(dataset, options, 4);
  };
  using vim::data::SamplerKind;
  CHECK(order({SamplerKind::kRandom, false, 9}) == vim::data::torch_randperm(600, 13));
  CHECK(
      order({SamplerKind::kRandom, true, 9}) ==
      vim::data::repeated_augmentation_order(600, {.epoch = 4}));
  CHECK(
      order({SamplerKind::kClassBalanced, false, 9}) ==
      vim::data::class_balanced_order(vim::data::images_by_class(dataset), 9, 4));
}
