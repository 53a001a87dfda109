// Patches and tokens on the GPU: copies that change the type. A thread moves one pack of
// neighbouring channels of one token, for every gridDim.y-th image, so it reads the position
// embedding once for all of them.
#include "kernels/cuda/token_sequence.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <initializer_list>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/numeric.cuh"
#include "kernels/cuda/plan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kTokenThreads = 256;
constexpr int kTokenPack = 8;            // 16 bytes of a 16-bit type
constexpr int64_t kImagesPerThread = 4;  // for which one reading of the position embedding serves
constexpr int64_t kMaxGridY = 65535;

// The token that holds a patch.
__device__ __forceinline__ int64_t token_of(const TokenSequence& sequence, int64_t patch) {
  int64_t token = patch;
#pragma unroll
  for (int i = 0; i < kMaxClsTokens; ++i) {
    token += i < sequence.num_cls_tokens && token >= sequence.cls_slots[i] ? 1 : 0;
  }
  return token;
}

// What a token holds: class token `cls`, or, where that is negative, a patch.
struct TokenContent {
  int cls = -1;
  int64_t patch = 0;
};

__device__ __forceinline__ TokenContent content_of(const TokenSequence& sequence, int64_t token) {
  TokenContent content;
  content.patch = token;
#pragma unroll
  for (int i = 0; i < kMaxClsTokens; ++i) {
    if (i < sequence.num_cls_tokens) {
      content.cls = token == sequence.cls_slots[i] ? i : content.cls;
      content.patch -= token > sequence.cls_slots[i] ? 1 : 0;
    }
  }
  return content;
}

// The pack of a thread: of which row of an image, and its first channel.
struct PackPlace {
  int64_t row;
  int64_t channel;
};

template <int kPack>
__device__ __forceinline__ PackPlace place_pack(int64_t channels) {
  const int64_t packs = channels / kPack;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kTokenThreads + threadIdx.x;
  return {index / packs, index % packs * kPack};
}

template <typename T, int kPack>
__global__ void __launch_bounds__(kTokenThreads) token_sequence_kernel(TokenSequenceParams params) {
  const PackPlace place = place_pack<kPack>(params.channels);
  if (place.row >= params.num_tokens()) {
    return;
  }
  const TokenContent content = content_of(params, place.row);
  const int64_t out_at = place.row * params.channels + place.channel;
  const int64_t patch_at = content.patch * params.channels + place.channel;
  float added[kPack] = {};
  if (params.pos_embed != nullptr) {
    load_pack(params.pos_embed + out_at, added);
  }
  float values[kPack] = {};
  if (content.cls >= 0) {
    // Not by index: that would put all parameters into local memory.
    const float* token = content.cls == 0 ? params.cls_tokens[0] : params.cls_tokens[1];
    load_pack(token + place.channel, values);
  }
  const int64_t out_size = params.num_tokens() * params.channels;
  const int64_t patches_size = params.num_patches * params.channels;
  const T* __restrict__ patches = static_cast<const T*>(params.patches) + patch_at;
  float* __restrict__ out = params.out + out_at;
#pragma unroll 4
  for (int64_t image = blockIdx.y; image < params.batch; image += gridDim.y) {
    float sum[kPack];
    if (content.cls < 0) {
      load_pack(patches + image * patches_size, values);
    }
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      sum[i] = params.pos_embed == nullptr ? values[i] : values[i] + added[i];
    }
    store_pack(sum, out + image * out_size);
  }
}

template <typename T, int kPack>
__global__ void __launch_bounds__(kTokenThreads)
    token_sequence_backward_kernel(TokenSequenceBackwardParams params) {
  const PackPlace place = place_pack<kPack>(params.channels);
  if (place.row >= params.num_patches) {
    return;
  }
  const int64_t dout_at = token_of(params, place.row) * params.channels + place.channel;
  const int64_t patch_at = place.row * params.channels + place.channel;
  const int64_t dout_size = params.num_tokens() * params.channels;
  const int64_t patches_size = params.num_patches * params.channels;
  const float* __restrict__ dout = params.dout + dout_at;
  T* __restrict__ dpatches = static_cast<T*>(params.dpatches) + patch_at;
#pragma unroll 4
  for (int64_t image = blockIdx.y; image < params.batch; image += gridDim.y) {
    float values[kPack];
    load_pack(dout + image * dout_size, values);
    store_pack(values, dpatches + image * patches_size);
  }
}

// Threads for every pack of `rows` tokens.
LaunchShape make_shape(const TokenSequence& sequence, int64_t rows, int pack, void* stream) {
  LaunchShape shape;
  const int64_t packs = rows * (sequence.channels / pack);
  shape.grid = dim3(
      static_cast<unsigned>(divide_up(packs, kTokenThreads)),
      static_cast<unsigned>(std::min(divide_up(sequence.batch, kImagesPerThread), kMaxGridY)));
  shape.block = dim3(kTokenThreads);
  shape.stream = static_cast<cudaStream_t>(stream);
  return shape;
}

bool are_aligned(const TokenSequence& sequence, std::initializer_list<const void*> arrays) {
  return sequence.channels % kTokenPack == 0 &&
         std::all_of(arrays.begin(), arrays.end(), [](const void* array) {
           return is_aligned(array, 16);  // null, too
         });
}

}  // namespace

void token_sequence(const TokenSequenceParams& params, void* stream) {
  check_token_sequence(params);
  const bool fits = are_aligned(
      params,
      {params.patches, params.cls_tokens[0], params.cls_tokens[1], params.pos_embed, params.out});
  visit_dtype(params.dtype, [&](auto tag) {
    using T = decltype(tag);
    const LaunchShape shape =
        make_shape(params, params.num_tokens(), fits ? kTokenPack : 1, stream);
    if (fits) {
      VIM_LAUNCH((token_sequence_kernel<T, kTokenPack>), shape, params);
    } else {
      VIM_LAUNCH((token_sequence_kernel<T, 1>), shape, params);
    }
  });
}

void token_sequence_backward(const TokenSequenceBackwardParams& params, void* stream) {
  check_token_sequence_backward(params);
  const bool fits = are_aligned(params, {params.dout, params.dpatches});
  visit_dtype(params.dtype, [&](auto tag) {
    using T = decltype(tag);
    const LaunchShape shape = make_shape(params, params.num_patches, fits ? kTokenPack : 1, stream);
    if (fits) {
      VIM_LAUNCH((token_sequence_backward_kernel<T, kTokenPack>), shape, params);
    } else {
      VIM_LAUNCH((token_sequence_backward_kernel<T, 1>), shape, params);
    }
  });
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
