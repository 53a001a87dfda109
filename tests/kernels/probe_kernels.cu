// One launch for each probe; sizes are small, so a thread takes one pack.
#include "tests/kernels/probe_kernels.h"

#include <stdexcept>
#include <type_traits>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/numeric.cuh"

namespace vim::tests::VIM_CUDA_NAMESPACE {
namespace {

using namespace kernels;
using namespace kernels::VIM_CUDA_NAMESPACE;

__device__ int64_t thread_number() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

LaunchShape shape_for(int64_t threads) {
  LaunchShape shape;
  shape.block = dim3(64);
  shape.grid = dim3(static_cast<unsigned>((threads + 63) / 64));
  return shape;
}

template <int kPack, typename T>
__global__ void load_kernel(const T* from, float* to, int64_t count) {
  const int64_t at = thread_number() * kPack;
  if (at < count) {
    float values[kPack];
    load_pack<kPack>(from + at, values);
    store_pack<kPack>(values, to + at);
  }
}

template <int kPack, typename T>
__global__ void store_kernel(const float* from, T* to, int64_t count) {
  const int64_t at = thread_number() * kPack;
  if (at < count) {
    float values[kPack];
    load_pack<kPack>(from + at, values);
    store_pack<kPack>(values, to + at);
  }
}

__global__ void unary_kernel(Unary function, const float* x, float* y, int64_t count) {
  const int64_t i = thread_number();
  if (i >= count) {
    return;
  }
  switch (function) {
    case Unary::kExp2:
      y[i] = fast_exp2(x[i]);
      break;
    case Unary::kLog2:
      y[i] = fast_log2(x[i]);
      break;
    case Unary::kExp:
      y[i] = fast_exp(x[i]);
      break;
    case Unary::kReciprocal:
      y[i] = fast_reciprocal(x[i]);
      break;
    case Unary::kToTf32:
      y[i] = to_tf32(x[i]);
      break;
  }
}

// The fragments as matrix.cuh's first paragraph lists them.
__device__ void load_sums(const float* d, float (&fragment)[4]) {
  const int group = threadIdx.x / 4;
  const int column = threadIdx.x % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    fragment[i] = d[(group + i / 2 * 8) * 8 + column + i % 2];
  }
}

__device__ void store_sums(const float (&fragment)[4], float* d) {
  const int group = threadIdx.x / 4;
  const int column = threadIdx.x % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    d[(group + i / 2 * 8) * 8 + column + i % 2] = fragment[i];
  }
}

__global__ void mma_tf32_kernel(const float* a, const float* b, float* d) {
  const int group = threadIdx.x / 4;
  const int member = threadIdx.x % 4;
  const float a_fragment[4] = {
      a[group * 8 + member],
      a[(group + 8) * 8 + member],
      a[group * 8 + member + 4],
      a[(group + 8) * 8 + member + 4]};
  const float b_fragment[2] = {b[member * 8 + group], b[(member + 4) * 8 + group]};
  float sums[4];
  load_sums(d, sums);
  mma_tf32_16x8x8(sums, a_fragment, b_fragment);
  store_sums(sums, d);
}

__device__ uint32_t pair_of(float low, float high) {
  return from_float<BFloat16>(low).bits | static_cast<uint32_t>(from_float<BFloat16>(high).bits)
                                              << 16;
}

__global__ void mma_bf16_kernel(const float* a, const float* b, float* d) {
  const int group = threadIdx.x / 4;
  const int first = threadIdx.x % 4 * 2;
  uint32_t a_fragment[4];
  uint32_t b_fragment[2];
  for (int i = 0; i < 4; ++i) {
    const float* pair = a + (group + i % 2 * 8) * 16 + first + i / 2 * 8;
    a_fragment[i] = pair_of(pair[0], pair[1]);
  }
  for (int i = 0; i < 2; ++i) {
    const float* pair = b + (first + i * 8) * 8 + group;
    b_fragment[i] = pair_of(pair[0], pair[8]);
  }
  float sums[4];
  load_sums(d, sums);
  mma_bf16_16x8x16(sums, a_fragment, b_fragment);
  store_sums(sums, d);
}

__global__ void load_matrices_kernel(bool transposed, const uint16_t* matrices, uint32_t* to) {
  constexpr int kRow = 8;
  auto* shared = block_shared<uint16_t>();
  const int lane = threadIdx.x;
  for (int i = 0; i < kRow; ++i) {
    shared[lane * kRow + i] = matrices[lane * kRow + i];
  }
  __syncthreads();
  uint32_t words[4];
  if (transposed) {
    load_transposed(shared + lane * kRow, words);
  } else {
    load_matrices(shared + lane * kRow, words);
  }
  for (int i = 0; i < 4; ++i) {
    to[4 * lane + i] = words[i];
  }
}

// Calls f with pack as a constant.
template <typename F>
void visit_pack(int pack, F f) {
  switch (pack) {
    case 1:
      return f(std::integral_constant<int, 1>{});
    case 2:
      return f(std::integral_constant<int, 2>{});
    case 4:
      return f(std::integral_constant<int, 4>{});
    case 8:
      return f(std::integral_constant<int, 8>{});
  }
  throw std::invalid_argument("probe: pack must be 1, 2, 4 or 8");
}

void load(DType dtype, int pack, const void* from, float* to, int64_t count) {
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    visit_pack(pack, [&](auto size) {
      constexpr int kPack = decltype(size)::value;
      const auto* source = static_cast<const T*>(from);
      VIM_LAUNCH((load_kernel<kPack, T>), shape_for(count / kPack), source, to, count);
    });
  });
}

void store(DType dtype, int pack, const float* from, void* to, int64_t count) {
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    visit_pack(pack, [&](auto size) {
      constexpr int kPack = decltype(size)::value;
      VIM_LAUNCH(
          (store_kernel<kPack, T>), shape_for(count / kPack), from, static_cast<T*>(to), count);
    });
  });
}

void unary(Unary function, const float* x, float* y, int64_t count) {
  VIM_LAUNCH(unary_kernel, shape_for(count), function, x, y, count);
}

LaunchShape one_warp() {
  LaunchShape shape;
  shape.block = dim3(kWarpSize);
  return shape;
}

void mma_tf32(const float* a, const float* b, float* d) {
  VIM_LAUNCH(mma_tf32_kernel, one_warp(), a, b, d);
}

void mma_bf16(const float* a, const float* b, float* d) {
  VIM_LAUNCH(mma_bf16_kernel, one_warp(), a, b, d);
}

void load_four_matrices(bool transposed, const uint16_t* matrices, uint32_t* to) {
  LaunchShape shape = one_warp();
  shape.shared_bytes = 4 * 64 * sizeof(uint16_t);
  VIM_LAUNCH(load_matrices_kernel, shape, transposed, matrices, to);
}

// "cuda" or "emulated", from the macro.
#define VIM_TEXT_OF(name) #name
#define VIM_EXPANDED_TEXT_OF(name) VIM_TEXT_OF(name)

}  // namespace

const ProbeEntries& probes() {
  static const ProbeEntries table{
      VIM_EXPANDED_TEXT_OF(VIM_CUDA_NAMESPACE),
      load,
      store,
      unary,
      mma_tf32,
      mma_bf16,
      load_four_matrices};
  return table;
}

}  // namespace vim::tests::VIM_CUDA_NAMESPACE
