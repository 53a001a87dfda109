// Arithmetic that the launches share: how many blocks, and whether accesses may be wide.
#pragma once

#include <cstdint>

#include "kernels/cuda/namespace.h"
#include "kernels/types.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

constexpr int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

constexpr int64_t storage_bytes(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

inline bool is_aligned(const void* pointer, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) == 0;
}

/// True if every `pack` neighbouring channels of a TokenView or MutableTokenView, counted from its
/// first, can be moved as one; also where it is absent.
template <typename View>
bool fits_packs(const View& view, DType dtype, int pack) {
  return is_aligned(view.data, pack * storage_bytes(dtype)) && view.batch_stride % pack == 0 &&
         view.token_stride % pack == 0;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
