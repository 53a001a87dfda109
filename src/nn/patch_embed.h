// Images to tokens: a convolution over patches, computed as one product with the unfolded patches.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

namespace vim::nn {

struct PatchEmbedOptions {
  int64_t channels = 3;
  int64_t embed_dim = 192;
  int64_t patch_size = 16;
  int64_t stride = 16;
};

/// The projection's parameters under their official name, `proj`: weight (embed_dim, channels,
/// patch_size, patch_size) and bias (embed_dim).
class PatchProjectionImpl : public torch::nn::Module {
 public:
  explicit PatchProjectionImpl(const PatchEmbedOptions& options);

  at::Tensor weight;
  at::Tensor bias;
  at::Tensor weight_shadow;  // weight in the compute dtype; may be undefined
  at::Tensor gradient_mode;  // see ops/parameter_gradient.h; may be undefined
};
TORCH_MODULE(PatchProjection);

class PatchEmbedImpl : public torch::nn::Module {
 public:
  explicit PatchEmbedImpl(const PatchEmbedOptions& options);

  /// PyTorch's default for convolutions: weight, then bias, U(+-1/sqrt(fan_in)).
  void reset_parameters(at::Generator& generator);

  /// Returns (batch, num_patches, embed_dim) in `dtype`, to which images are rounded first, patches
  /// row by row. images: (batch, channels, height, width), or their patches as ops::image_batch
  /// cuts them: (batch, num_patches, channels * patch_size * patch_size).
  at::Tensor forward(const at::Tensor& images, at::ScalarType dtype);

  PatchProjection proj{nullptr};

 private:
  at::Tensor unfold_patches(const at::Tensor& images) const;

  PatchEmbedOptions options_;
};
TORCH_MODULE(PatchEmbed);

}  // namespace vim::nn
