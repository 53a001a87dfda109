#include "src/nn/patch_embed.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "tests/support/catch.h"

namespace vim::nn {
namespace {

// Sums of at most 192 products in another order, each rounded to 6e-8 of values below 4.
constexpr double kTolerance = 1e-5;

PatchEmbed make_embed(const PatchEmbedOptions& options) {
  PatchEmbed embed(options);
  auto generator = at::detail::createCPUGenerator(1);
  embed->reset_parameters(generator);
  return embed;
}

at::Tensor make_images(int64_t channels, int64_t height, int64_t width) {
  auto generator = at::detail::createCPUGenerator(2);
  return at::empty({2, channels, height, width}).normal_(0.0, 1.0, generator);
}

// The convolution of LibTorch, its grid flattened row by row.
at::Tensor convolved(const PatchEmbed& embed, const at::Tensor& images, int64_t stride) {
  return at::conv2d(images, embed->proj->weight, embed->proj->bias, stride).flatten(2).mT();
}

void check_equals_convolution(
    const PatchEmbedOptions& options, int64_t height, int64_t width, int64_t num_patches) {
  const PatchEmbed embed = make_embed(options);
  const at::Tensor images = make_images(options.channels, height, width).requires_grad_();
  const at::Tensor tokens = PatchEmbed(embed)->forward(images, at::kFloat);
  const at::Tensor wanted = convolved(embed, images, options.stride);
  CHECK(tokens.sizes() == at::IntArrayRef({2, num_patches, options.embed_dim}));
  CHECK(at::allclose(tokens, wanted, 0.0, kTolerance));
  const at::Tensor ours = torch::autograd::grad({tokens.square().sum()}, {images})[0];
  const at::Tensor theirs = torch::autograd::grad({wanted.square().sum()}, {images})[0];
  CHECK(at::allclose(ours, theirs, 0.0, 4 * kTolerance));
}

TEST_CASE("the patch embedding equals a convolution where patches tile the image") {
  check_equals_convolution({3, 20, 8, 8}, 32, 24, 12);
}

TEST_CASE("the patch embedding equals a convolution where patches overlap") {
  check_equals_convolution({3, 20, 8, 4}, 24, 32, 35);
}

TEST_CASE("the patch embedding equals a convolution where the image is not used up") {
  check_equals_convolution({1, 12, 8, 5}, 25, 22, 12);
}

TEST_CASE("patch embedding weights start within 1 / sqrt(fan_in)") {
  const PatchEmbed embed = make_embed({3, 20, 8, 8});
  const double bound = 1.0 / std::sqrt(3.0 * 8 * 8) * (1 + 1e-6);
  for (const at::Tensor& parameter : embed->parameters()) {
    const double largest = parameter.abs().max().item<double>();
    CHECK(largest > 0.5 * bound);
    CHECK(largest <= bound);
  }
}

TEST_CASE("the patch embedding rounds images to the type of its result, whole or cut") {
  PatchEmbed embed = make_embed({3, 20, 8, 8});
  const at::Tensor images = make_images(3, 16, 16);
  const at::Tensor rounded = embed->forward(images.to(at::kBFloat16), at::kBFloat16);
  CHECK(at::equal(embed->forward(images, at::kBFloat16), rounded));
  const at::Tensor patches = images.view({2, 3, 2, 8, 2, 8}).permute({0, 2, 4, 1, 3, 5});
  CHECK(at::equal(embed->forward(patches.reshape({2, 4, 192}), at::kBFloat16), rounded));
}

TEST_CASE("the patch embedding of bfloat16 images uses the shadow of its weight") {
  PatchEmbed embed = make_embed({3, 20, 8, 8});
  const at::Tensor images = make_images(3, 16, 16).to(at::kBFloat16);
  const at::Tensor cast = embed->forward(images, at::kBFloat16);
  embed->proj->weight_shadow = embed->proj->weight.detach().to(at::kBFloat16);
  CHECK(cast.scalar_type() == at::kBFloat16);
  CHECK(at::equal(embed->forward(images, at::kBFloat16), cast));
  embed->proj->weight_shadow.zero_();
  CHECK_FALSE(at::equal(embed->forward(images, at::kBFloat16), cast));
}

}  // namespace
}  // namespace vim::nn
