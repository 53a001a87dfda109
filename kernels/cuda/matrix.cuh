// The tensor cores: one warp multiplies small matrices whose elements are spread over its lanes as
// PTX lays them out (PTX ISA, "Matrix fragments for mma.m16n8k8" and "...m16n8k16"). With
// group = lane / 4 and member = lane % 4:
//
//   d[0], d[1]: row group,     columns 2 member, 2 member + 1;   d[2], d[3]: row group + 8
//   tf32  a[0]: (group, member)      a[1]: (group + 8, member)
//         a[2]: (group, member + 4)  a[3]: (group + 8, member + 4)
//         b[0]: (member, group)      b[1]: (member + 4, group)           (row, column)
//   16-bit a[0]: row group,    columns 2 member, 2 member + 1, the first in the low half
//         a[1]: row group + 8, the same columns;   a[2], a[3]: as a[0], a[1], 8 columns on
//         b[0]: rows 2 member, 2 member + 1 of column group;   b[1]: 8 rows on
//
// All lanes of the warp must call together. Products are exact; how a tensor core rounds its sums
// is not specified, so the host twins (sums in double, rounded once) agree to a few units of 2^-23.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// x rounded to tf32 (10 mantissa bits), to nearest, ties away from 0.
__device__ __forceinline__ float to_tf32(float x) {
#ifdef __CUDA_ARCH__
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
#else
  return float_from_bits((float_bits(x) + 0x1000U) & 0xFFFFE000U);
#endif
}

#ifndef __CUDACC__
namespace detail {

// One lane's operands; the fragments as functions of (row, column) over all lanes.
struct MmaRequest {
  float* d;
  const void* a;
  const void* b;
};

inline const MmaRequest& mma_lane(void* const (&requests)[32], int lane) {
  return *static_cast<const MmaRequest*>(requests[lane]);
}

inline double tf32_value(const void* words, int index) {
  return float_from_bits(float_bits(static_cast<const float*>(words)[index]) & 0xFFFFE000U);
}

template <typename T>
double half_value(const void* words, int element) {
  const uint32_t word = static_cast<const uint32_t*>(words)[element / 2];
  return to_float(T{static_cast<uint16_t>(word >> (element % 2 * 16))});
}

struct MmaTf32 {
  static constexpr int kDepth = 8;
  static double a(void* const (&requests)[32], int row, int column) {
    const int lane = row % 8 * 4 + column % 4;
    return tf32_value(mma_lane(requests, lane).a, row / 8 + column / 4 * 2);
  }
  static double b(void* const (&requests)[32], int row, int column) {
    return tf32_value(mma_lane(requests, column * 4 + row % 4).b, row / 4);
  }
};

template <typename T>
struct MmaHalf {
  static constexpr int kDepth = 16;
  static double a(void* const (&requests)[32], int row, int column) {
    const int lane = row % 8 * 4 + column % 8 / 2;
    return half_value<T>(mma_lane(requests, lane).a, (row / 8 + column / 8 * 2) * 2 + column % 2);
  }
  static double b(void* const (&requests)[32], int row, int column) {
    const int lane = column * 4 + row % 8 / 2;
    return half_value<T>(mma_lane(requests, lane).b, row / 8 * 2 + row % 2);
  }
};

template <typename Shape>
const char* complete_mma(void* const (&requests)[32], int*) {
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      double sum = 0.0;
      for (int k = 0; k < Shape::kDepth; ++k) {
        sum += Shape::a(requests, row, k) * Shape::b(requests, k, column);
      }
      float& d = mma_lane(requests, row % 8 * 4 + column / 2).d[row / 8 * 2 + column % 2];
      d = static_cast<float>(d + sum);
    }
  }
  return nullptr;
}

template <typename Shape>
void emulate_mma(float* d, const void* a, const void* b) {
  MmaRequest request{d, a, b};
  emulation::warp_collective({"mma", __FILE__, __LINE__}, kFullWarp, &request, complete_mma<Shape>);
}

// One lane's row of a matrix, and where its elements go.
struct LoadRequest {
  const uint32_t* row;
  uint32_t* to;
};

template <bool kTransposed>
const char* complete_load(void* const (&requests)[32], int*) {
  const auto element = [&](int matrix, int row, int column) {
    const auto* lane = static_cast<const LoadRequest*>(requests[8 * matrix + row]);
    return lane->row[column / 2] >> (column % 2 * 16) & 0xFFFFU;
  };
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4;
    const int first = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) {
      const uint32_t low = kTransposed ? element(i, first, group) : element(i, group, first);
      const uint32_t high =
          kTransposed ? element(i, first + 1, group) : element(i, group, first + 1);
      static_cast<const LoadRequest*>(requests[lane])->to[i] = low | high << 16;
    }
  }
  return nullptr;
}

template <bool kTransposed>
void emulate_load(const void* row, uint32_t* to) {
  LoadRequest request{static_cast<const uint32_t*>(row), to};
  emulation::warp_collective(
      {"ldmatrix", __FILE__, __LINE__}, kFullWarp, &request, complete_load<kTransposed>);
}

}  // namespace detail
#endif

/// Four (8, 8) matrices of 16-bit elements from shared memory: to[i] gets columns 2 member and
/// 2 member + 1 of row `group` of matrix i, the first in the low half (PTX ISA, ldmatrix). Lane l
/// gives row l % 8 of matrix l / 8, 16 bytes at a multiple of 16.
__device__ __forceinline__ void load_matrices(const void* row, uint32_t (&to)[4]) {
#ifdef __CUDACC__
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared)
               : "memory");
#else
  detail::emulate_load<false>(row, to);
#endif
}

/// The same of their transposes: to[i] gets rows 2 member and 2 member + 1 of column `group`.
__device__ __forceinline__ void load_transposed(const void* row, uint32_t (&to)[4]) {
#ifdef __CUDACC__
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared)
               : "memory");
#else
  detail::emulate_load<true>(row, to);
#endif
}

/// d += a b with a (16, 8), b (8, 8), d (16, 8). Of a and b the upper 19 bits count: round with
/// to_tf32 first, or they are cut off.
__device__ __forceinline__ void mma_tf32_16x8x8(
    float (&d)[4], const float (&a)[4], const float (&b)[2]) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])),
        "r"(__float_as_uint(a[1])),
        "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])),
        "r"(__float_as_uint(b[0])),
        "r"(__float_as_uint(b[1])));
#else
  detail::emulate_mma<detail::MmaTf32>(d, a, b);
#endif
}

/// d += a b with a (16, 16), b (16, 8), d (16, 8); a and b hold bfloat16 pairs.
__device__ __forceinline__ void mma_bf16_16x8x16(
    float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  detail::emulate_mma<detail::MmaHalf<BFloat16>>(d, a, b);
#endif
}

/// The same with pairs of float16.
__device__ __forceinline__ void mma_f16_16x8x16(
    float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  detail::emulate_mma<detail::MmaHalf<Float16>>(d, a, b);
#endif
}

/// The one of T's type.
template <typename T>
__device__ __forceinline__ void mma_16x8x16(
    float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  static_assert(sizeof(T) == 2, "a 16-bit storage type");
  if constexpr (std::is_same<T, BFloat16>::value) {
    mma_bf16_16x8x16(d, a, b);
  } else {
    mma_f16_16x8x16(d, a, b);
  }
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
