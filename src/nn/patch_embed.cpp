// Patches are gathered into rows (channel, patch row, patch column), the order of the weight's last
// axes.
#include "src/nn/patch_embed.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/nn/init.h"
#include "src/ops/linear.h"

namespace vim::nn {
namespace {

// How many neighbouring pixels of a row can be moved as one element of 16 bytes: all copies begin
// at multiples of them. 1: pixels are moved one by one.
int64_t unit_elements(const at::Tensor& images, const PatchEmbedOptions& options) {
  constexpr size_t kUnitBytes = 16;
  const auto unit = static_cast<int64_t>(kUnitBytes / images.element_size());
  const bool is_whole = images.size(3) % unit == 0 && options.patch_size % unit == 0 &&
                        options.stride % unit == 0 && images.is_contiguous();
  const bool is_aligned = reinterpret_cast<uintptr_t>(images.const_data_ptr()) % kUnitBytes == 0 &&
                          images.storage_offset() % unit == 0;
  return is_whole && is_aligned && !images.requires_grad() ? unit : 1;
}

}  // namespace

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
  const int64_t fan_in = options_.channels * options_.patch_size * options_.patch_size;
  const int64_t unit = unit_elements(images, options_);
  const at::Tensor units = unit > 1 ? images.view(at::kComplexDouble) : images;
  // (batch, channels, rows, columns, side, side) as a view, then one copy into rows.
  const at::Tensor windows = units.unfold(2, options_.patch_size, options_.stride)
                                 .unfold(3, options_.patch_size / unit, options_.stride / unit);
  const at::Tensor rows =
      windows.permute({0, 2, 3, 1, 4, 5}).reshape({images.size(0), -1, fan_in / unit});
  return unit > 1 ? rows.view(images.scalar_type()) : rows;
}

at::Tensor PatchEmbedImpl::forward(const at::Tensor& images, at::ScalarType dtype) {
  const auto flat = [this](const at::Tensor& weight) {
    return weight.defined() ? weight.reshape({options_.embed_dim, -1}) : weight;
  };
  return ops::linear(
      images.dim() == 3 ? images.to(dtype) : unfold_patches(images.to(dtype)),
      {flat(proj->weight), flat(proj->weight_shadow), proj->gradient_mode},
      proj->bias);
}

}  // namespace vim::nn
