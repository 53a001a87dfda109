#include "src/train/micro_batch.h"

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace vim::train {
namespace {

MicroBatchRequest request(int64_t memory_bytes) {
  MicroBatchRequest request;
  request.global_batch = 96;
  request.mix_group = 8;
  request.bytes_per_image = 100;
  request.memory_bytes = memory_bytes;
  return request;
}

}  // namespace

TEST_CASE("auto takes the largest divisor of whole groups that fits 80 % of memory") {
  CHECK(choose_micro_batch(request(1'000'000)) == 96);
  CHECK(choose_micro_batch(request(12'000)) == 96);
  CHECK(choose_micro_batch(request(11'999)) == 48);
  CHECK(choose_micro_batch(request(4'000)) == 32);
  CHECK(choose_micro_batch(request(2'900)) == 16);  // 24 does not fit, 16 divides 96
}

TEST_CASE("if nothing fits, the smallest legal size is taken") {
  CHECK(choose_micro_batch(request(0)) == 8);
}

TEST_CASE("a configured size must divide the global batch and hold whole groups") {
  MicroBatchRequest wanted = request(0);
  wanted.configured = 24;
  CHECK(choose_micro_batch(wanted) == 24);
  for (const int64_t bad : {4, 12, 64, 192}) {
    wanted.configured = bad;
    CHECK_THROWS_AS(choose_micro_batch(wanted), Error);
  }
}

TEST_CASE("the estimate grows with depth and resolution and shrinks with the element") {
  models::VisionMambaOptions model;
  const int64_t base = estimate_activation_bytes(model, Precision::kFloat32);
  CHECK(base > int64_t{10} << 20);  // 24 layers of 197 x (192..768) floats
  CHECK(base < int64_t{400} << 20);
  CHECK(estimate_activation_bytes(model, Precision::kBFloat16) < base);
  model.depth = 48;
  CHECK(estimate_activation_bytes(model, Precision::kFloat32) > base);
  model.depth = 24;
  model.img_size = {448, 448};
  CHECK(estimate_activation_bytes(model, Precision::kFloat32) > 3 * base);
}

TEST_CASE("the memory at hand is a positive number") { CHECK(available_memory_bytes() > 0); }

}  // namespace vim::train
