// Launch of the image batch. Blocks of all samples run side by side, so an image and its use as a
// partner meet in the cache.
#include <cuda_runtime.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/cuda/image_batch.cuh"
#include "kernels/cuda/image_batch.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int64_t kGroupsPerThread = 8;  // the table is worth filling for that many
constexpr int64_t kMaxGridY = 65535;

bool is_multiple(int64_t value) { return value % kGroupPixels == 0; }

// True if every group of kGroupPixels starts at a multiple of 8 bytes in images and of 16 in out.
bool can_group(const ImageBatchParams& params, const ImageWindows& windows) {
  return params.channels == 3 && is_multiple(params.width) && is_multiple(windows.width) &&
         is_multiple(windows.stride) && reinterpret_cast<uintptr_t>(params.images) % 8 == 0 &&
         reinterpret_cast<uintptr_t>(params.out) % 16 == 0;
}

template <typename T, class Shape>
void launch_groups(const ImageBatchParams& params, const ImageWindows& windows, void* stream) {
  const int64_t num_groups = windows.count * windows.height * (windows.width / Shape::kPixels);
  if (num_groups > std::numeric_limits<int32_t>::max()) {
    throw std::invalid_argument(
        "image_batch: an image must give at most 2^31 - 1 values of a channel, got " +
        std::to_string(num_groups));
  }
  const int64_t per_block = kImageThreads * kGroupsPerThread;
  const int64_t parts = std::min((num_groups + per_block - 1) / per_block, kMaxGridY);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(params.batch), static_cast<unsigned>(parts));
  shape.block = dim3(kImageThreads);
  shape.shared_bytes = level_table_bytes(params.channels);
  shape.stream = static_cast<cudaStream_t>(stream);
  const int groups = static_cast<int>(num_groups);
  if (params.num_boxes > 0) {
    VIM_LAUNCH((image_erase_kernel<T, Shape>), shape, params, windows, groups);
  } else {
    VIM_LAUNCH((image_batch_kernel<T, Shape>), shape, params, windows, groups);
  }
}

}  // namespace

void image_batch(const ImageBatchParams& params, void* stream) {
  check_image_batch(params);
  const ImageWindows windows = image_windows(params);
  visit_dtype(params.out_dtype, [&](auto tag) {
    using T = decltype(tag);
    if (can_group(params, windows)) {
      launch_groups<T, GroupShape<kGroupPixels>>(params, windows, stream);
    } else {
      launch_groups<T, GroupShape<1>>(params, windows, stream);
    }
  });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
