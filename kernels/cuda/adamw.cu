// Launch of AdamW: a block for each stretch of the range.
#include <cuda_runtime.h>

#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/cuda/adamw.cuh"
#include "kernels/cuda/adamw.h"
#include "kernels/cuda/plan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

bool can_pack(const AdamWParams& params) {
  for (const void* array :
       {static_cast<const void*>(params.grad),
        static_cast<const void*>(params.value),
        static_cast<const void*>(params.exp_avg),
        static_cast<const void*>(params.exp_avg_sq),
        static_cast<const void*>(params.ema)}) {
    if (!is_aligned(array, kAdamWPack * sizeof(float))) {
      return false;
    }
  }
  return is_aligned(params.shadow, kAdamWPack * sizeof(BFloat16));
}

template <typename Shadow>
void launch_for_shadow(const AdamWParams& params, const LaunchShape& shape) {
  if (can_pack(params)) {
    VIM_LAUNCH((adamw_kernel<Shadow, kAdamWPack>), shape, params);
  } else {
    VIM_LAUNCH((adamw_kernel<Shadow, 1>), shape, params);
  }
}

}  // namespace

void adamw(const AdamWParams& params, void* stream) {
  check_adamw(params);
  const int64_t blocks = (params.size - 1) / kAdamWStretch + 1;
  if (blocks > std::numeric_limits<int32_t>::max()) {
    throw std::invalid_argument("adamw: too many elements: " + std::to_string(params.size));
  }
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks));
  shape.block = dim3(kAdamWThreads);
  shape.shared_bytes = sizeof(AdamWFactors);
  shape.stream = static_cast<cudaStream_t>(stream);
  const DType shadow = params.shadow == nullptr ? DType::kFloat32 : params.shadow_dtype;
  visit_dtype(shadow, [&](auto tag) { launch_for_shadow<decltype(tag)>(params, shape); });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
