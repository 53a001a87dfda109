// Statistics of every element type against numbers worked out by hand.
#include "src/weights/tensor_statistics.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/catch.h"

using namespace vim::weights;

namespace {

template <typename T>
TensorStatistics measured(TensorType type, const std::vector<T>& values) {
  return statistics_of(type, std::as_bytes(std::span(values)));
}

}  // namespace

TEST_CASE("extremes, mean and deviation of integers and reals") {
  const auto [min, max, mean, std] = std::tuple(-2.0, 4.0, 1.0, std::sqrt(5.0));
  const auto check = [&](const TensorStatistics& found) {
    CHECK(found.min == min);
    CHECK(found.max == max);
    CHECK(found.mean == mean);
    CHECK(std::abs(found.std - std) < 1e-15);
    CHECK(found.num_elements == 4);
  };
  check(measured<double>(TensorType::kF64, {-2, 0, 2, 4}));
  check(measured<float>(TensorType::kF32, {-2, 0, 2, 4}));
  check(measured<int64_t>(TensorType::kI64, {-2, 0, 2, 4}));
  check(measured<int32_t>(TensorType::kI32, {-2, 0, 2, 4}));
  check(measured<int16_t>(TensorType::kI16, {-2, 0, 2, 4}));
  check(measured<int8_t>(TensorType::kI8, {-2, 0, 2, 4}));
  check(measured<uint16_t>(TensorType::kF16, {0xC000, 0, 0x4000, 0x4400}));
  check(measured<uint16_t>(TensorType::kBF16, {0xC000, 0, 0x4000, 0x4080}));
  check(measured<uint8_t>(TensorType::kF8E4M3, {0xC0, 0, 0x40, 0x48}));
  check(measured<uint8_t>(TensorType::kF8E5M2, {0xC0, 0, 0x40, 0x44}));
}

TEST_CASE("unsigned types and truth values do not wrap") {
  CHECK(measured<uint64_t>(TensorType::kU64, {UINT64_MAX}).max == 18446744073709551615.0);
  CHECK(measured<uint32_t>(TensorType::kU32, {UINT32_MAX}).max == 4294967295.0);
  CHECK(measured<uint16_t>(TensorType::kU16, {65535}).max == 65535.0);
  CHECK(measured<uint8_t>(TensorType::kU8, {255}).max == 255.0);
  CHECK(measured<uint8_t>(TensorType::kBool, {0, 1}).mean == 0.5);
}

TEST_CASE("the ends of the small formats") {
  CHECK(measured<uint16_t>(TensorType::kF16, {0x0001}).max == std::ldexp(1.0, -24));
  CHECK(measured<uint16_t>(TensorType::kF16, {0x7BFF}).max == 65504.0);
  CHECK(measured<uint8_t>(TensorType::kF8E4M3, {0x7E}).max == 448.0);
  CHECK(measured<uint8_t>(TensorType::kF8E4M3, {0x01}).max == std::ldexp(1.0, -9));
  CHECK(measured<uint8_t>(TensorType::kF8E5M2, {0x7B}).max == 57344.0);
  CHECK(measured<uint8_t>(TensorType::kF8E4M3, {0x7F}).num_nan == 1);
  CHECK(measured<uint8_t>(TensorType::kF8E5M2, {0xFC}).num_inf == 1);
  CHECK(measured<uint16_t>(TensorType::kF16, {0x7C00, 0x7C01}).num_nan == 1);
}

TEST_CASE("NaN and infinity are counted and left out") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto found = measured<float>(TensorType::kF32, {kNan, 3.0F, kInfinity, -kInfinity, 1.0F});
  CHECK(found.num_nan == 1);
  CHECK(found.num_inf == 2);
  CHECK(found.min == 1.0);
  CHECK(found.max == 3.0);
  CHECK(found.mean == 2.0);
  CHECK(found.std == 1.0);
  const auto none = measured<float>(TensorType::kF32, {kNan});
  CHECK(none.mean == 0.0);
  CHECK(statistics_of(TensorType::kF32, {}).num_elements == 0);
  CHECK_THROWS_AS(measured<uint8_t>(TensorType::kF32, {1, 2, 3}), std::invalid_argument);
}
