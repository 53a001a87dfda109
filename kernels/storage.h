// Storage types of activations and their exact conversions from and to float. The functions are
// inline because every kernel's inner loop calls them.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/types.h"

// The conversions are plain integer code, so that device code may share them; where that would be
// slow in a kernel's inner loop, the device has an instruction with the same result.
#ifdef __CUDACC__
#define VIM_HOST_DEVICE __host__ __device__
#else
#define VIM_HOST_DEVICE
#endif

namespace vim::kernels {

/// Upper half of a float: 8 exponent bits, 7 mantissa bits.
struct BFloat16 {
  uint16_t bits = 0;
};

/// IEEE binary16: 5 exponent bits, 10 mantissa bits, with subnormals.
struct Float16 {
  uint16_t bits = 0;
};

VIM_HOST_DEVICE inline uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

VIM_HOST_DEVICE inline float float_from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// Returns the stored value; exact for every bit pattern (a signalling NaN may become quiet).
VIM_HOST_DEVICE inline float to_float(float value) { return value; }

VIM_HOST_DEVICE inline float to_float(BFloat16 value) {
  return float_from_bits(static_cast<uint32_t>(value.bits) << 16);
}

VIM_HOST_DEVICE inline float to_float(Float16 value) {
#ifdef __CUDA_ARCH__
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
#else
  const uint32_t sign = (value.bits & 0x8000U) << 16;
  const uint32_t magnitude = value.bits & 0x7FFFU;
  if (magnitude >= 0x7C00U) {  // infinity or NaN
    return float_from_bits(sign | 0x7F800000U | ((magnitude & 0x3FFU) << 13));
  }
  if (magnitude < 0x0400U) {  // zero or subnormal: a multiple of 2^-24, which float holds exactly
    const float scaled = static_cast<float>(magnitude) * 0x1p-24F;
    return float_from_bits(sign | float_bits(scaled));
  }
  return float_from_bits(sign | ((magnitude << 13) + ((127U - 15U) << 23)));
#endif
}

/// Rounds to nearest even. NaN stays NaN (made quiet, upper payload bits kept); overflow gives
/// infinity.
template <typename T>
VIM_HOST_DEVICE T from_float(float value);

template <>
VIM_HOST_DEVICE inline float from_float<float>(float value) {
  return value;
}

template <>
VIM_HOST_DEVICE inline BFloat16 from_float<BFloat16>(float value) {
  const uint32_t bits = float_bits(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    return {static_cast<uint16_t>((bits >> 16) | 0x0040U)};
  }
  const uint32_t rounding = 0x7FFFU + ((bits >> 16) & 1U);
  return {static_cast<uint16_t>((bits + rounding) >> 16)};
}

template <>
VIM_HOST_DEVICE inline Float16 from_float<Float16>(float value) {
  const uint32_t bits = float_bits(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) {
    return {static_cast<uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x3FFU))};
  }
  if (magnitude >= 0x477FF000U) {  // 65520, the first value that rounds to infinity
    return {static_cast<uint16_t>(sign | 0x7C00U)};
  }
  if (magnitude < 0x38800000U) {
    // Below 2^-14. Adding 0.5 leaves the multiple of 2^-24 in the low mantissa bits, rounded by the
    // adder.
    const uint32_t shifted = float_bits(float_from_bits(magnitude) + 0.5F);
    return {static_cast<uint16_t>(sign | (shifted - 0x3F000000U))};
  }
  const uint32_t rounding = 0xFFFU + ((magnitude >> 13) & 1U);
  const uint32_t rebased = magnitude - ((127U - 15U) << 23);
  return {static_cast<uint16_t>(sign | ((rebased + rounding) >> 13))};
}

/// Calls f(T{}) with the storage type of dtype. Throws std::invalid_argument for an unknown value.
template <typename F>
void visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kFloat32:
      return std::forward<F>(f)(float{});
    case DType::kBFloat16:
      return std::forward<F>(f)(BFloat16{});
    case DType::kFloat16:
      return std::forward<F>(f)(Float16{});
  }
  throw std::invalid_argument(
      "kernels: dtype must be 0, 1 or 2, got " + std::to_string(static_cast<int32_t>(dtype)));
}

}  // namespace vim::kernels
