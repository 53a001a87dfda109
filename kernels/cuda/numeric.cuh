// Vector accesses with conversion, and fast elementary functions. Each has a device form in PTX and
// a host twin for the emulation.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cuda/namespace.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// kCount elements of T that load and store as one access (above 16 bytes: as several of 16).
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount < 16 ? sizeof(T) * kCount : 16) Pack {
  static_assert((kCount & (kCount - 1)) == 0, "a pack has a power of two elements");
  T data[kCount];
};

namespace detail {

// The words of a pack's accesses: nvcc makes one vector instruction of each.
template <int kBytes>
struct Access {
  using Type = uint4;
};
template <>
struct Access<2> {
  using Type = uint16_t;
};
template <>
struct Access<4> {
  using Type = uint32_t;
};
template <>
struct Access<8> {
  using Type = uint2;
};

// Two neighbours, the first in the low half, in one instruction each.
__device__ __forceinline__ void unpack_pair(uint32_t pair, BFloat16, float& low, float& high) {
  low = float_from_bits(pair << 16);
  high = float_from_bits(pair & 0xFFFF0000U);
}

__device__ __forceinline__ void unpack_pair(uint32_t pair, Float16, float& low, float& high) {
  low = to_float(Float16{static_cast<uint16_t>(pair)});
  high = to_float(Float16{static_cast<uint16_t>(pair >> 16)});
}

__device__ __forceinline__ uint32_t pack_pair(float low, float high, BFloat16) {
#ifdef __CUDA_ARCH__
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %2, %1;" : "=r"(pair) : "f"(low), "f"(high));
  return pair;
#else
  return from_float<BFloat16>(low).bits | static_cast<uint32_t>(from_float<BFloat16>(high).bits)
                                              << 16;
#endif
}

__device__ __forceinline__ uint32_t pack_pair(float low, float high, Float16) {
#ifdef __CUDA_ARCH__
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %2, %1;" : "=r"(pair) : "f"(low), "f"(high));
  return pair;
#else
  return from_float<Float16>(low).bits | static_cast<uint32_t>(from_float<Float16>(high).bits)
                                             << 16;
#endif
}

}  // namespace detail

/// n elements of T as they lie in memory.
template <typename T, int n>
union RawPack {
  using Access = typename detail::Access<sizeof(T) * n>::Type;
  static constexpr int kAccesses = sizeof(T) * n / sizeof(Access);
  Access access[kAccesses];
  uint32_t words[(sizeof(T) * n + 3) / 4];
};

/// Loads n elements from `from`, aligned to the pack.
template <int n, typename T>
__device__ __forceinline__ RawPack<T, n> load_raw(const T* from) {
  using Raw = RawPack<T, n>;
  Raw pack;
#pragma unroll
  for (int i = 0; i < Raw::kAccesses; ++i) {
    pack.access[i] = reinterpret_cast<const typename Raw::Access*>(from)[i];
  }
  return pack;
}

/// The elements as floats: the bits of kernels/storage.h.
template <typename T, int n>
__device__ __forceinline__ void unpack_raw(const RawPack<T, n>& pack, float (&values)[n]) {
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < n; ++i) {
      values[i] = float_from_bits(pack.words[i]);
    }
  } else if constexpr (n == 1) {
    values[0] = to_float(T{static_cast<uint16_t>(pack.access[0])});
  } else {
#pragma unroll
    for (int i = 0; i < n / 2; ++i) {
      detail::unpack_pair(pack.words[i], T{}, values[2 * i], values[2 * i + 1]);
    }
  }
}

/// Loads n elements from `from`, aligned to the pack, as floats.
template <int n, typename T>
__device__ __forceinline__ void load_pack(const T* from, float (&values)[n]) {
  unpack_raw<T, n>(load_raw<n>(from), values);
}

/// n floats as T, rounded to nearest even: the bits of kernels/storage.h, except for the payload of
/// a NaN.
template <typename T, int n>
__device__ __forceinline__ RawPack<T, n> pack_raw(const float (&values)[n]) {
  RawPack<T, n> pack;
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < n; ++i) {
      pack.words[i] = float_bits(values[i]);
    }
  } else if constexpr (n == 1) {
    pack.access[0] = static_cast<uint16_t>(detail::pack_pair(values[0], 0.0F, T{}));
  } else {
#pragma unroll
    for (int i = 0; i < n / 2; ++i) {
      pack.words[i] = detail::pack_pair(values[2 * i], values[2 * i + 1], T{});
    }
  }
  return pack;
}

/// Stores a pack to `to`, aligned to it.
template <typename T, int n>
__device__ __forceinline__ void store_raw(const RawPack<T, n>& pack, T* to) {
  using Raw = RawPack<T, n>;
#pragma unroll
  for (int i = 0; i < Raw::kAccesses; ++i) {
    reinterpret_cast<typename Raw::Access*>(to)[i] = pack.access[i];
  }
}

/// Stores n floats to `to`, aligned to the pack, as pack_raw rounds them.
template <int n, typename T>
__device__ __forceinline__ void store_pack(const float (&values)[n], T* to) {
  store_raw(pack_raw<T>(values), to);
}

/// Starts to bring the 32 bytes around `at` into the second-level cache. Nothing waits for it.
__device__ __forceinline__ void prefetch_to_l2(const void* at) {
#ifdef __CUDA_ARCH__
  asm volatile("prefetch.global.L2 [%0];" ::"l"(at));
#else
  (void)at;
#endif
}

/// 2^x; relative error at most 2^-22; subnormal arguments and results are 0 on the device.
__device__ __forceinline__ float fast_exp2(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::exp2(x);
#endif
}

/// log2(x); absolute error at most 2^-22 where x is in (0.5, 2), relative error 2^-22 elsewhere.
__device__ __forceinline__ float fast_log2(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::log2(x);
#endif
}

/// e^x as 2^(x log2 e): the rounding of constant and product adds at most |x| 2^-23 to the relative
/// error of 2^-22.
__device__ __forceinline__ float fast_exp(float x) { return fast_exp2(x * 1.44269504F); }

/// 1 / x; relative error at most 2^-23; 0 for |x| above 2^126 on the device.
__device__ __forceinline__ float fast_reciprocal(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.0F / x;
#endif
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
