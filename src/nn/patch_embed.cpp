// Patches are gathered into rows (channel, patch row, patch column), the order of the weight's last
// axes.
#include "src/nn/patch_embed.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/nn/init.h"
#include "src/ops/linear.h"

namespace vim::nn {

PatchProjectionImpl::PatchProjectionImpl(const PatchEmbedOptions& options) {
  const int64_t side = options.patch_size;
  weight =
      register_parameter("weight", at::zeros({options.embed_dim, options.channels, side, side}));
  bias = register_parameter("bias", at::zeros({options.embed_dim}));
}

PatchEmbedImpl::PatchEmbedImpl(const PatchEmbedOptions& options) : options_(options) {
  proj = register_module("proj", PatchProjection(options));
}

void PatchEmbedImpl::reset_parameters(at::Generator& generator) {
  const int64_t fan_in = options_.channels * options_.patch_size * options_.patch_size;
  init_kaiming_uniform(proj->weight, fan_in, generator);
  init_uniform(proj->bias, 1.0 / std::sqrt(static_cast<double>(fan_in)), generator);
}

at::Tensor PatchEmbedImpl::unfold_patches(const at::Tensor& images) const {
  const int64_t side = options_.patch_size;
  const int64_t fan_in = options_.channels * side * side;
  // (batch, channels, rows, columns, side, side) as a view, then one copy into rows.
  const at::Tensor windows =
      images.unfold(2, side, options_.stride).unfold(3, side, options_.stride);
  return windows.permute({0, 2, 3, 1, 4, 5}).reshape({images.size(0), -1, fan_in});
}

at::Tensor PatchEmbedImpl::forward(const at::Tensor& images) {
  const auto flat = [this](const at::Tensor& weight) {
    return weight.defined() ? weight.reshape({options_.embed_dim, -1}) : weight;
  };
  return ops::linear(
      images.dim() == 3 ? images : unfold_patches(images),
      {flat(proj->weight), flat(proj->weight_shadow), proj->gradient_mode},
      proj->bias);
}

}  // namespace vim::nn
