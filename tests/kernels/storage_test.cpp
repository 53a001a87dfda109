// Conversions of the storage types against their definition: value = sign * significand *
// 2^exponent.
#include "kernels/storage.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/add_norm.h"
#include "kernels/causal_conv1d.h"
#include "tests/kernels/kernel_buffers.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::BFloat16;
using kernels::DType;
using kernels::Float16;
using kernels::from_float;
using kernels::to_float;

// Value of a binary format's bit pattern; NaN and infinity as usual.
double decode(uint32_t bits, int mantissa_bits, int exponent_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double fraction = bits & ((1U << mantissa_bits) - 1);
  const double sign = (bits >> (mantissa_bits + exponent_bits)) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : NAN;
  }
  if (exponent == 0) {
    return sign * std::ldexp(fraction, 1 - bias - mantissa_bits);
  }
  return sign *
         std::ldexp(fraction + std::ldexp(1.0, mantissa_bits), exponent - bias - mantissa_bits);
}

double decode(BFloat16 value) { return decode(value.bits, 7, 8); }
double decode(Float16 value) { return decode(value.bits, 10, 5); }

// Floats around every value of T: itself, its neighbours, the midpoints to the next value and
// theirs.
template <typename T>
std::vector<float> probing_floats() {
  std::vector<float> probes;
  for (uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const float value = to_float(T{static_cast<uint16_t>(bits)});
    const float next = to_float(T{static_cast<uint16_t>(bits + 1)});
    const float middle = value + (next - value) / 2;
    for (const float centre : {value, middle}) {
      probes.push_back(centre);
      probes.push_back(std::nextafter(centre, std::numeric_limits<float>::infinity()));
      probes.push_back(std::nextafter(centre, -std::numeric_limits<float>::infinity()));
    }
  }
  for (const float extreme :
       {65519.0F, 65520.0F, 65521.0F, 3.4e38F, 1e-45F, 1e-40F, 5e-8F, 2.98e-8F}) {
    probes.push_back(extreme);
    probes.push_back(-extreme);
  }
  return probes;
}

// True if no other value of T is nearer to `value`, and of two equally near ones the even one was
// taken.
template <typename T>
bool is_nearest_even(float value, T result) {
  if (std::isnan(value)) {
    return std::isnan(decode(result));
  }
  if (std::signbit(value) != std::signbit(decode(result))) {
    return false;
  }
  const uint16_t magnitude = result.bits & 0x7FFFU;
  // Infinity stands for the value that would follow the largest finite one.
  const auto finite = [](uint16_t bits) {
    const double decoded = decode(T{bits});
    return std::isinf(decoded) ? 2.0 * decode(T{static_cast<uint16_t>(bits - 1)}) -
                                     decode(T{static_cast<uint16_t>(bits - 2)})
                               : decoded;
  };
  if (std::isinf(value)) {
    return std::isinf(decode(result));
  }
  const double target = std::abs(static_cast<double>(value));
  const double error = std::abs(finite(magnitude) - target);
  const bool is_even = magnitude % 2 == 0;
  const auto loses = [&](uint16_t neighbour) {
    const double other = std::abs(finite(neighbour) - target);
    return other < error || (other == error && !is_even);
  };
  const bool below = magnitude > 0 && loses(magnitude - 1);
  const bool above = !std::isinf(decode(T{magnitude})) && loses(magnitude + 1);
  const bool beyond = std::isinf(decode(T{magnitude})) && target > finite(magnitude);
  return !below && !above && (beyond || std::isfinite(value));
}

template <typename T>
int64_t count_wrong_decodes() {
  int64_t wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const T stored{static_cast<uint16_t>(bits)};
    const double expected = decode(stored);
    const float value = to_float(stored);
    const bool same = std::isnan(expected)
                          ? std::isnan(value)
                          : value == expected && std::signbit(value) == std::signbit(expected);
    wrong += same ? 0 : 1;
  }
  return wrong;
}

TEST_CASE("every 16-bit pattern has its exact value as float", "[storage]") {
  CHECK(count_wrong_decodes<BFloat16>() == 0);
  CHECK(count_wrong_decodes<Float16>() == 0);
}

template <typename T>
int64_t count_wrong_roundings() {
  const std::vector<float> probes = probing_floats<T>();
  return std::count_if(probes.begin(), probes.end(), [](float value) {
    return !is_nearest_even(value, from_float<T>(value));
  });
}

TEST_CASE("floats round to the nearest 16-bit value, ties to even, NaN to NaN", "[storage]") {
  CHECK(count_wrong_roundings<BFloat16>() == 0);
  CHECK(count_wrong_roundings<Float16>() == 0);
}

// Runs a kernel's loads over every bit pattern: without a residual, add_norm's residual_out is x.
template <typename T>
void check_vector_loads(DType dtype) {
  constexpr int64_t kPatterns = 0x10000;
  std::vector<uint32_t> patterns(kPatterns / 2);
  for (uint32_t i = 0; i < patterns.size(); ++i) patterns[i] = (2 * i) | ((2 * i + 1) << 16);
  std::vector<float> v(kPatterns), weight(kPatterns, 1.0F), out(kPatterns);
  kernels::AddNormParams params;
  params.rows = 1;
  params.dim = kPatterns;
  params.x_dtype = dtype;
  params.x = patterns.data();
  params.weight = weight.data();
  params.out = out.data();
  params.residual_out = v.data();
  add_norm_forward(params, {0, 1});
  int64_t wrong = 0;
  for (uint32_t bits = 0; bits < kPatterns; ++bits) {
    const float expected = to_float(T{static_cast<uint16_t>(bits)});
    const bool same = std::isnan(expected)
                          ? std::isnan(v[bits])
                          : kernels::float_bits(v[bits]) == kernels::float_bits(expected);
    wrong += same ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("vector loads give the scalar conversion's value for every 16-bit pattern", "[storage]") {
  for_each_backend([](const std::string& backend) {
    INFO(backend);
    check_vector_loads<BFloat16>(DType::kBFloat16);
    check_vector_loads<Float16>(DType::kFloat16);
  });
}

// Runs a kernel's stores over the probes: a convolution of zeros without SiLU stores its float
// bias.
template <typename T>
void check_vector_stores(DType dtype) {
  const std::vector<float> probes = probing_floats<T>();
  const auto size = static_cast<int64_t>(probes.size());
  const std::vector<float> weight(size, 0.0F);
  const std::vector<T> x(size);
  std::vector<T> out(size);
  kernels::ConvParams params;
  params.batch = 1;
  params.seqlen = 1;
  params.channels = size;
  params.width = 1;
  params.dtype = dtype;
  params.silu = false;
  params.x = {x.data(), size, size};
  params.direction[0].weight = weight.data();
  params.direction[0].bias = probes.data();
  params.direction[0].out = {out.data(), size, size};
  causal_conv1d_forward(params, {0, causal_conv1d_num_rows(params)});
  int64_t wrong = 0;
  for (int64_t i = 0; i < size; ++i) {
    const T expected = from_float<T>(probes[i] + 0.0F);
    const bool same =
        std::isnan(probes[i]) ? std::isnan(to_float(out[i])) : out[i].bits == expected.bits;
    wrong += same ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("vector stores round as the scalar conversion does", "[storage]") {
  for_each_backend([](const std::string& backend) {
    INFO(backend);
    check_vector_stores<BFloat16>(DType::kBFloat16);
    check_vector_stores<Float16>(DType::kFloat16);
  });
}

}  // namespace
}  // namespace vim::tests
