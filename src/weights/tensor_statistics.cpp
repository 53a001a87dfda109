// One pass for extremes, counts and mean, a second one for the deviation from it.
#include "src/weights/tensor_statistics.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace vim::weights {
namespace {

// Element formats that C++ has no type for: sign, exponent and mantissa bits, in this order.
struct Fp16 {
  uint16_t bits;
};
struct Bf16 {
  uint16_t bits;
};
struct Fp8E4M3 {
  uint8_t bits;
};
struct Fp8E5M2 {
  uint8_t bits;
};

template <typename T>
double to_double(T value) {
  return static_cast<double>(value);
}

// A number of `exponent_bits` and `mantissa_bits` whose highest exponent means infinity or NaN.
double decode(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const uint32_t mantissa = bits & ((1U << mantissa_bits) - 1);
  const uint32_t top = (1U << exponent_bits) - 1;
  const uint32_t exponent = (bits >> mantissa_bits) & top;
  const int bias = static_cast<int>(top >> 1);
  double value = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  if (exponent == top) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    value = mantissa == 0 ? kInfinity : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent != 0) {
    const uint32_t whole = mantissa | (1U << mantissa_bits);
    value = std::ldexp(whole, static_cast<int>(exponent) - bias - mantissa_bits);
  }
  return (bits >> (exponent_bits + mantissa_bits)) != 0 ? -value : value;
}

double to_double(Fp16 value) { return decode(value.bits, 5, 10); }
double to_double(Bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16U);
}
double to_double(Fp8E5M2 value) { return decode(value.bits, 5, 2); }

// Without infinity: only the highest pattern is NaN, the rest of the top exponent are numbers.
double to_double(Fp8E4M3 value) {
  const uint32_t magnitude = value.bits & 0x7FU;
  const double sign = (value.bits & 0x80U) != 0 ? -1.0 : 1.0;
  if (magnitude == 0x7F) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if ((magnitude >> 3U) == 0xF) {
    return sign * std::ldexp((magnitude & 7U) | 8U, 15 - 7 - 3);
  }
  return sign * decode(magnitude, 4, 3);
}

template <typename T>
T element(std::span<const std::byte> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
TensorStatistics measure(std::span<const std::byte> bytes) {
  const size_t count = bytes.size() / sizeof(T);
  TensorStatistics result;
  result.num_elements = static_cast<int64_t>(count);
  double sum = 0.0;
  int64_t num_finite = 0;
  for (size_t i = 0; i < count; ++i) {
    const double value = to_double(element<T>(bytes, i));
    result.num_nan += std::isnan(value) ? 1 : 0;
    result.num_inf += std::isinf(value) ? 1 : 0;
    if (std::isfinite(value)) {
      result.min = num_finite == 0 ? value : std::fmin(result.min, value);
      result.max = num_finite == 0 ? value : std::fmax(result.max, value);
      sum += value;
      ++num_finite;
    }
  }
  if (num_finite == 0) {
    return result;
  }
  result.mean = sum / static_cast<double>(num_finite);
  double squares = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const double distance = to_double(element<T>(bytes, i)) - result.mean;
    squares += std::isfinite(distance) ? distance * distance : 0.0;
  }
  result.std = std::sqrt(squares / static_cast<double>(num_finite));
  return result;
}

}  // namespace

TensorStatistics statistics_of(TensorType type, std::span<const std::byte> bytes) {
  if (bytes.size() % type_size(type) != 0) {
    throw std::invalid_argument("statistics_of: expected a whole number of elements");
  }
  switch (type) {
    case TensorType::kF64:
      return measure<double>(bytes);
    case TensorType::kF32:
      return measure<float>(bytes);
    case TensorType::kF16:
      return measure<Fp16>(bytes);
    case TensorType::kBF16:
      return measure<Bf16>(bytes);
    case TensorType::kI64:
      return measure<int64_t>(bytes);
    case TensorType::kI32:
      return measure<int32_t>(bytes);
    case TensorType::kI16:
      return measure<int16_t>(bytes);
    case TensorType::kI8:
      return measure<int8_t>(bytes);
    case TensorType::kU64:
      return measure<uint64_t>(bytes);
    case TensorType::kU32:
      return measure<uint32_t>(bytes);
    case TensorType::kU16:
      return measure<uint16_t>(bytes);
    case TensorType::kU8:
    case TensorType::kBool:
      return measure<uint8_t>(bytes);
    case TensorType::kF8E4M3:
      return measure<Fp8E4M3>(bytes);
    case TensorType::kF8E5M2:
      return measure<Fp8E5M2>(bytes);
  }
  throw std::invalid_argument("statistics_of: unknown element type");
}

}  // namespace vim::weights
