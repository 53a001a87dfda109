// From a batch of uint8 images to the model's input in one pass: normalise, erase boxes at random,
// then mixup or cutmix with a partner from the same batch, its pixels erased too. Source: vim_spec
// 5.2 (steps 4, 5) and 5.5; Zhong et al. 2017, "Random erasing data augmentation".
//
//   x = (pixel / 255 - mean) / std
//   x = colour of the box, or noise                   inside the sample's boxes    (erasing)
//   out = x_partner                                   inside the box [y0, y1) x [x0, x1)  (cutmix)
//   out = mix_lambda * x + (1 - mix_lambda) * x_partner                    elsewhere      (mixup)
//
// mix_lambda 1 leaves x alone, whatever the partner; an empty box holds nothing. The arithmetic is
// float in this order, each operation rounded, on every device alike; that of the noise is in
// kernels/philox_normal.h.
#pragma once

#include "kernels/types.h"

namespace vim::kernels {

inline constexpr int64_t kMaxImageChannels = 4;

/// How one sample is mixed. partner is an index into the batch.
struct SampleMix {
  int64_t partner = 0;
  float mix_lambda = 1.0F;
  int32_t y0 = 0;
  int32_t y1 = 0;
  int32_t x0 = 0;
  int32_t x1 = 0;
};

/// What erased pixels become: their box's colour, or a standard normal number for each pixel and
/// channel.
enum class EraseFill : int32_t { kColour, kNoise };

/// Pixels [y0, y1) x [x0, x1) of one image to erase; empty: none. Boxes must lie in the image.
struct EraseBox {
  int32_t y0 = 0;
  int32_t y1 = 0;
  int32_t x0 = 0;
  int32_t x1 = 0;
  float colour[kMaxImageChannels] = {};  // kColour: a normalised value for each channel
  // kNoise: Philox key. Channel c of pixel (y, x) is normal number c of the block of counter
  // (x, y, 0, 0): it depends on nothing else, neither the batch nor the layout.
  uint32_t key[2] = {};
};

struct ImageBatchParams {
  int64_t batch = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 3;
  const uint8_t* images = nullptr;  // (batch, height, width, channels)
  float mean[kMaxImageChannels] = {};
  float std[kMaxImageChannels] = {1, 1, 1, 1};
  const SampleMix* mix = nullptr;   // (batch), or null: no mixing
  const EraseBox* boxes = nullptr;  // (batch, num_boxes); a later box lies over an earlier one
  int64_t num_boxes = 0;            // of each sample; 0: no erasing
  EraseFill erase_fill = EraseFill::kColour;
  // 0: out is (batch, channels, height, width). Otherwise out is cut into the patches of a patch
  // embedding, (batch, num_patches, channels * patch_size * patch_size), `stride` pixels apart: the
  // rows that a GEMM with its weight (embed_dim, channels * patch_size * patch_size) takes.
  int64_t patch_size = 0;
  int64_t stride = 0;
  DType out_dtype = DType::kFloat32;
  void* out = nullptr;
};

/// The windows that out consists of, row by row over the image: its patches, or one window that is
/// the whole image. A window is (channels, height, width); windows follow one another in out.
struct ImageWindows {
  int64_t height = 0;
  int64_t width = 0;
  int64_t stride = 0;   // pixels from one window to the next, in both directions
  int64_t columns = 0;  // windows side by side
  int64_t count = 0;    // windows of one image
};

/// Needs patch_size <= height, width and, with patches, stride >= 1.
ImageWindows image_windows(const ImageBatchParams& params);

/// Throws std::invalid_argument for sizes that make no sense or a missing array.
void check_image_batch(const ImageBatchParams& params);

/// One row per sample.
int64_t image_batch_num_rows(const ImageBatchParams& params);

/// Throws std::invalid_argument as check_image_batch does, and for a box or partner outside the
/// batch. Deterministic.
void image_batch(const ImageBatchParams& params, RowRange rows);

}  // namespace vim::kernels
