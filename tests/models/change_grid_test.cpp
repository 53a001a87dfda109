#include "src/models/change_grid.h"

#include <ATen/ATen.h>

#include "src/models/vision_mamba.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

// The toy, and an empty model for images of another size.
struct TwoGrids {
  VisionMamba from = nullptr;
  VisionMamba to = nullptr;

  TwoGrids(VisionMambaOptions options, std::array<int64_t, 2> img_size) : from(make_toy(options)) {
    options.img_size = img_size;
    to = VisionMamba(options);
    to->eval();
  }
};

TEST_CASE("all parameters go over to another grid, the position embedding resized") {
  TwoGrids models(toy_options(), {96, 32});
  copy_to_grid(*models.from, *models.to, PosEmbedResize::kCorrect);
  const auto sources = models.from->named_parameters();
  for (const auto& item : models.to->named_parameters()) {
    INFO(item.key());
    const at::Tensor expected = item.key() == "pos_embed" ? resize_pos_embed(
                                                                sources["pos_embed"].detach(),
                                                                {4, 4},
                                                                {6, 2},
                                                                ClsPosition::kMiddle,
                                                                PosEmbedResize::kCorrect)
                                                          : sources[item.key()];
    CHECK(at::equal(item.value(), expected));
  }
}

TEST_CASE("rope tables stay those of the new grid") {
  VisionMambaOptions options = toy_options();
  options.rope = true;
  options.pos_embed = false;
  TwoGrids models(options, {96, 96});
  const at::Tensor table = models.to->named_buffers()["rope.freqs_cos"].clone();
  copy_to_grid(*models.from, *models.to, PosEmbedResize::kCorrect);
  CHECK(at::equal(models.to->named_buffers()["rope.freqs_cos"], table));
  const at::NoGradGuard no_grad;
  const at::Tensor logits = models.to->forward(sine_images({1, 3, 96, 96}, 0.003));
  CHECK(at::isfinite(logits).all().item<bool>());
}

TEST_CASE("a model carried over to its own grid by the correct method computes the same bits") {
  TwoGrids models(toy_options(), {64, 64});
  copy_to_grid(*models.from, *models.to, PosEmbedResize::kCorrect);
  const at::NoGradGuard no_grad;
  CHECK(at::equal(models.to->forward(toy_images()), models.from->forward(toy_images())));
}

TEST_CASE("models that differ in more than the grid are refused") {
  VisionMamba from = make_toy(toy_options());
  VisionMambaOptions deeper = toy_options();
  deeper.depth = 5;
  VisionMamba to(deeper);
  CHECK_THROWS_AS(copy_to_grid(*from, *to, PosEmbedResize::kCorrect), c10::Error);
  VisionMambaOptions more_classes = toy_options();
  more_classes.num_classes = 6;
  VisionMamba other(more_classes);
  CHECK_THROWS_AS(copy_to_grid(*from, *other, PosEmbedResize::kCorrect), c10::Error);
}

}  // namespace
}  // namespace vim::models
