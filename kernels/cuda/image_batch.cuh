// The kernel of the image batch. A pixel has 256 levels, so what becomes of it is looked up in
// shared memory; eight copies of the table, a lane reading the one of its own banks, make
// collisions rare. A thread writes groups of kPixels neighbours in one line of a window, all
// channels; with boxes to erase, it then writes the pixels in them again, one by one.
#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"
#include "kernels/image_batch.h"
#include "kernels/image_erase.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kImageThreads = 256;
constexpr int kImageLevels = 256;
constexpr int kImageCopies = 8;
constexpr int kGroupPixels = 8;  // 16 bytes of a 16-bit type; 24 bytes of three-channel pixels

struct LevelTable {
  float values[kMaxImageChannels][kImageLevels][kImageCopies];
};

/// Bytes of the table for `channels` channels.
constexpr size_t level_table_bytes(int64_t channels) {
  return static_cast<size_t>(channels) * sizeof(LevelTable) / kMaxImageChannels;
}

// kPixels neighbouring pixels in the groups, with kChannels channels, or up to kMaxImageChannels.
template <int kPixelCount>
struct GroupShape {
  static constexpr int kPixels = kPixelCount;
  static constexpr int kChannels = kPixelCount == 1 ? static_cast<int>(kMaxImageChannels) : 3;
};

/// Where a group is: its first pixel, and the first channel's value of that in out.
struct GroupPlace {
  int y;
  int x;
  int64_t out;
};

__device__ inline GroupPlace place_group(
    const ImageWindows& windows, int64_t channels, int group, int pixels) {
  const int width = static_cast<int>(windows.width);
  const int height = static_cast<int>(windows.height);
  const int line = group / (width / pixels);  // lines of all windows
  const int column = (group - line * (width / pixels)) * pixels;
  const int window = line / height;
  const int window_line = line - window * height;
  const int grid_line = window / static_cast<int>(windows.columns);
  const int grid_column = window - grid_line * static_cast<int>(windows.columns);
  const int stride = static_cast<int>(windows.stride);
  return {
      grid_line * stride + window_line,
      grid_column * stride + column,
      (window * channels * height + window_line) * width + column};
}

// Two products and their sum, each rounded: what the CPU's tables hold and add.
__device__ __forceinline__ float mix_values(float mix_lambda, float own, float partner) {
#ifdef __CUDA_ARCH__
  return __fadd_rn(__fmul_rn(mix_lambda, own), __fmul_rn(1.0F - mix_lambda, partner));
#else
  return mix_lambda * own + (1.0F - mix_lambda) * partner;
#endif
}

// Inside the cutmix box the partner's, elsewhere mixed. As on the CPU, mix_lambda 1 means: no
// product with 0.
__device__ __forceinline__ float mixed_value(
    const SampleMix& mix, bool is_in_box, float own, float partner) {
  if (mix.mix_lambda != 1.0F) {
    own = mix_values(mix.mix_lambda, own, partner);
  }
  return is_in_box ? partner : own;
}

// One level for each thread.
__device__ inline void fill_levels(const ImageBatchParams& params, LevelTable* table) {
  static_assert(kImageThreads == kImageLevels);
  const float unit = static_cast<float>(threadIdx.x) / 255.0F;
#pragma unroll
  for (int c = 0; c < static_cast<int>(kMaxImageChannels); ++c) {
    if (c < params.channels) {
      const float value = (unit - params.mean[c]) / params.std[c];
      const float copies[4] = {value, value, value, value};
#pragma unroll
      for (int copy = 0; copy < kImageCopies; copy += 4) {
        store_pack<4>(copies, &table->values[c][threadIdx.x][copy]);
      }
    }
  }
  __syncthreads();
}

// The bytes of one group: pixel by pixel, channel by channel.
template <class Shape>
struct GroupBytes {
  uint32_t words[(Shape::kPixels * Shape::kChannels + 3) / 4];

  __device__ __forceinline__ int level(int pixel, int channel) const {
    const int at = pixel * Shape::kChannels + channel;
    return static_cast<int>(words[at / 4] >> (at % 4 * 8) & 255U);
  }
};

template <class Shape>
__device__ __forceinline__ GroupBytes<Shape> load_group(const uint8_t* from, int channels) {
  GroupBytes<Shape> bytes = {};
  if constexpr (Shape::kPixels == 1) {
    for (int c = 0; c < channels; ++c) {
      bytes.words[0] |= static_cast<uint32_t>(from[c]) << (c * 8);
    }
  } else {
#pragma unroll
    for (int i = 0; i < Shape::kChannels; ++i) {
      const uint2 pair = reinterpret_cast<const uint2*>(from)[i];
      bytes.words[2 * i] = pair.x;
      bytes.words[2 * i + 1] = pair.y;
    }
  }
  return bytes;
}

// What a sample is made of.
struct SampleImages {
  SampleMix mix;
  const uint8_t* own;
  const uint8_t* partner;
  SampleBoxes own_boxes;
  SampleBoxes partner_boxes;
};

__device__ inline SampleImages sample_images(const ImageBatchParams& params, int64_t sample) {
  SampleMix mix;
  mix.partner = sample;
  if (params.mix != nullptr) {
    mix = params.mix[sample];
  }
  const int64_t image_size = params.height * params.width * params.channels;
  return {
      mix,
      params.images + sample * image_size,
      params.images + mix.partner * image_size,
      sample_boxes(params, sample),
      sample_boxes(params, mix.partner)};
}

// The values of one channel of a group. needs_partner: some pixel is mixed or in the box.
template <class Shape>
__device__ __forceinline__ void group_values(
    const float (&table)[kImageLevels][kImageCopies],
    const SampleMix& mix,
    const GroupPlace& place,
    bool needs_partner,
    const int (&levels)[2][Shape::kPixels],
    float (&values)[Shape::kPixels]) {
  const int copy = static_cast<int>(threadIdx.x) % kImageCopies;
  const bool in_lines = place.y >= mix.y0 && place.y < mix.y1;
#pragma unroll
  for (int i = 0; i < Shape::kPixels; ++i) {
    values[i] = table[levels[0][i]][copy];
    if (needs_partner) {
      const float partner = table[levels[1][i]][copy];
      const bool in_box = in_lines && place.x + i >= mix.x0 && place.x + i < mix.x1;
      values[i] = mixed_value(mix, in_box, values[i], partner);
    }
  }
}

template <typename T, class Shape>
__device__ __forceinline__ void write_group(
    const ImageBatchParams& params,
    const SampleImages& images,
    const LevelTable& table,
    const GroupPlace& place,
    int64_t plane_size) {
  const int channels = Shape::kPixels == 1 ? static_cast<int>(params.channels) : Shape::kChannels;
  const SampleMix& mix = images.mix;
  const int64_t at = (place.y * params.width + place.x) * channels;
  const bool in_box = place.y >= mix.y0 && place.y < mix.y1 && place.x < mix.x1 &&
                      place.x + Shape::kPixels > mix.x0;
  const bool needs_partner = mix.mix_lambda != 1.0F || in_box;
  const GroupBytes<Shape> own = load_group<Shape>(images.own + at, channels);
  GroupBytes<Shape> partner = {};
  if (needs_partner) {
    partner = load_group<Shape>(images.partner + at, channels);
  }
  T* out = static_cast<T*>(params.out) + place.out;
#pragma unroll
  for (int c = 0; c < Shape::kChannels; ++c) {
    if (c < channels) {
      int levels[2][Shape::kPixels];
#pragma unroll
      for (int i = 0; i < Shape::kPixels; ++i) {
        levels[0][i] = own.level(i, c);
        levels[1][i] = partner.level(i, c);
      }
      float values[Shape::kPixels];
      group_values<Shape>(table.values[c], mix, place, needs_partner, levels, values);
      store_pack<Shape::kPixels>(values, out + c * plane_size);
    }
  }
}

__device__ inline bool touches(const SampleBoxes& boxes, const GroupPlace& place, int pixels) {
  bool is_touched = false;
  for (int64_t i = 0; i < boxes.count; ++i) {
    const EraseBox& box = boxes.first[i];
    is_touched = is_touched || (place.y >= box.y0 && place.y < box.y1 && place.x < box.x1 &&
                                place.x + pixels > box.x0);
  }
  return is_touched;
}

// Writes one pixel, if it or its partner is erased. place: of the pixel.
template <typename T, class Shape>
__device__ inline void erase_pixel(
    const ImageBatchParams& params,
    const SampleImages& images,
    const LevelTable& table,
    const GroupPlace& place,
    int64_t plane_size) {
  const int channels = Shape::kPixels == 1 ? static_cast<int>(params.channels) : Shape::kChannels;
  const int copy = static_cast<int>(threadIdx.x) % kImageCopies;
  const SampleMix& mix = images.mix;
  const bool is_in_box =
      place.y >= mix.y0 && place.y < mix.y1 && place.x >= mix.x0 && place.x < mix.x1;
  const PixelErasure own = erasure_at(images.own_boxes, params.erase_fill, place.y, place.x);
  PixelErasure partner;
  if (is_in_box || mix.mix_lambda != 1.0F) {
    partner = erasure_at(images.partner_boxes, params.erase_fill, place.y, place.x);
  }
  if (own.box == nullptr && partner.box == nullptr) {
    return;
  }
  const int64_t at = (place.y * params.width + place.x) * channels;
  T* out = static_cast<T*>(params.out) + place.out;
#pragma unroll
  for (int c = 0; c < Shape::kChannels; ++c) {
    if (c < channels) {
      const float plain[2] = {
          table.values[c][images.own[at + c]][copy], table.values[c][images.partner[at + c]][copy]};
      const float value[1] = {mixed_value(
          mix,
          is_in_box,
          erased_value(own, params.erase_fill, c, plain[0]),
          erased_value(partner, params.erase_fill, c, plain[1]))};
      store_pack<1>(value, out + c * plane_size);
    }
  }
}

template <typename T, class Shape>
__device__ inline void erase_group(
    const ImageBatchParams& params,
    const SampleImages& images,
    const LevelTable& table,
    const GroupPlace& place,
    int64_t plane_size) {
  if (!touches(images.own_boxes, place, Shape::kPixels) &&
      !touches(images.partner_boxes, place, Shape::kPixels)) {
    return;
  }
#pragma unroll 1
  for (int i = 0; i < Shape::kPixels; ++i) {
    const GroupPlace pixel = {place.y, place.x + i, place.out + i};
    erase_pixel<T, Shape>(params, images, table, pixel, plane_size);
  }
}

// Calls visit with the place of each group of this thread: every gridDim.y-th run of kImageThreads.
template <class Shape, class Visit>
__device__ __forceinline__ void for_each_group(
    const ImageBatchParams& params, const ImageWindows& windows, int num_groups, Visit visit) {
  const int64_t plane_size = windows.height * windows.width;
  const int64_t first_out = blockIdx.x * windows.count * params.channels * plane_size;
  const int64_t step = static_cast<int64_t>(gridDim.y) * kImageThreads;
  for (int64_t group = static_cast<int64_t>(blockIdx.y) * kImageThreads + threadIdx.x;
       group < num_groups;
       group += step) {
    GroupPlace place =
        place_group(windows, params.channels, static_cast<int>(group), Shape::kPixels);
    place.out += first_out;
    visit(place);
  }
}

// Block (sample, part). Without boxes to erase.
template <typename T, class Shape>
__global__ void __launch_bounds__(kImageThreads)
    image_batch_kernel(ImageBatchParams params, ImageWindows windows, int num_groups) {
  auto* table = block_shared<LevelTable>();
  fill_levels(params, table);
  const SampleImages images = sample_images(params, blockIdx.x);
  const int64_t plane_size = windows.height * windows.width;
  for_each_group<Shape>(params, windows, num_groups, [&](const GroupPlace& place) {
    write_group<T, Shape>(params, images, *table, place, plane_size);
  });
}

// The same with boxes. Erasing needs more registers, three blocks to a multiprocessor.
template <typename T, class Shape>
__global__ void __launch_bounds__(kImageThreads, 3)
    image_erase_kernel(ImageBatchParams params, ImageWindows windows, int num_groups) {
  auto* table = block_shared<LevelTable>();
  fill_levels(params, table);
  const SampleImages images = sample_images(params, blockIdx.x);
  const int64_t plane_size = windows.height * windows.width;
  for_each_group<Shape>(params, windows, num_groups, [&](const GroupPlace& place) {
    write_group<T, Shape>(params, images, *table, place, plane_size);
    erase_group<T, Shape>(params, images, *table, place, plane_size);
  });
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
