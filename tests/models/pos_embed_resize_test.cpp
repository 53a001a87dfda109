// Position embeddings on other grids: values of the official code, and an interpolation written
// from the formula in double for what the official code gets wrong or cannot do.
#include "src/models/pos_embed_resize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "tests/models/toy_model.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/thrown_text.h"

namespace vim::models {
namespace {

using test::contains;
using test::thrown_text;

// Cubic weight of a tap at distance x (PyTorch's a = -0.75).
double cubic_weight(double x) {
  constexpr double kA = -0.75;
  x = std::abs(x);
  if (x <= 1.0) {
    return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  }
  return x < 2.0 ? ((kA * x - 5.0 * kA) * x + 8.0 * kA) * x - 4.0 * kA : 0.0;
}

// (to, from), double: row o holds the weights of output cell o over the input cells.
at::Tensor axis_weights(int64_t from, int64_t to) {
  at::Tensor weights = at::zeros({to, from}, at::kDouble);
  auto values = weights.accessor<double, 2>();
  for (int64_t o = 0; o < to; ++o) {
    const double source =
        (static_cast<double>(o) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
    const auto first = static_cast<int64_t>(std::floor(source)) - 1;
    for (int64_t tap = first; tap < first + 4; ++tap) {
      const int64_t cell = std::clamp<int64_t>(tap, 0, from - 1);
      values[o][cell] += cubic_weight(source - static_cast<double>(tap));
    }
  }
  return weights;
}

// A map of patches (from.height * from.width, dim) on another grid, in double.
at::Tensor interpolate(const at::Tensor& patches, const Grid& from, const Grid& to) {
  const at::Tensor map = patches.to(at::kDouble).view({from.height, from.width, -1});
  const at::Tensor tall = at::einsum("or,rcd->ocd", {axis_weights(from.height, to.height), map});
  return at::einsum("pc,ocd->opd", {axis_weights(from.width, to.width), tall})
      .reshape({to.num_patches(), -1});
}

at::Tensor random_rows(int64_t num_rows) {
  return at::randn({1, num_rows, 6}, at::detail::createCPUGenerator(7), at::kFloat);
}

// Rows begin to end (not included) of a position embedding.
at::Tensor rows_of(const at::Tensor& pos_embed, int64_t begin, int64_t end) {
  return pos_embed[0].narrow(0, begin, end - begin);
}

void check_row(const at::Tensor& pos_embed, int64_t row, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("row " << row << ", column " << i);
    const auto value = pos_embed[0][row][static_cast<int64_t>(i)].item<double>();
    CHECK(value == Approx(expected[i]).margin(2e-6));  // six decimals are published
  }
}

TEST_CASE("the upstream method gives the official code's rows from 14 x 14 to 27 x 27") {
  // vim_spec A.4
  const at::Tensor stored =
      at::sin(0.37 * at::arange(197 * 4, at::kDouble)).to(at::kFloat).view({1, 197, 4});
  const at::Tensor resized =
      resize_pos_embed(stored, {14, 14}, {27, 27}, ClsPosition::kMiddle, PosEmbedResize::kUpstream);
  REQUIRE(resized.sizes() == at::IntArrayRef({1, 730, 4}));
  check_row(resized, 0, {0.000000, 0.361615, 0.674288, 0.895699});
  check_row(resized, 1, {1.206299, 1.246623, 1.118222, 0.838476});
  check_row(resized, 2, {0.969255, 0.846033, 0.608305, 0.288245});
  check_row(resized, 28, {0.809372, 0.684997, 0.467912, 0.187496});
  check_row(resized, 365, {-0.833335, -0.871501, -0.791712, -0.604770});
  check_row(resized, 729, {1.182723, 1.251812, 1.151473, 0.895289});
  CHECK(resized.to(at::kDouble).sum().item<double>() == Approx(10.80229).margin(1e-5));
}

TEST_CASE("the upstream method resizes between equal grids too, to the same values") {
  const at::Tensor stored = random_rows(17);
  const at::Tensor resized =
      resize_pos_embed(stored, {4, 4}, {4, 4}, ClsPosition::kMiddle, PosEmbedResize::kUpstream);
  CHECK(resized.data_ptr() != stored.data_ptr());
  CHECK(test::relative_error(resized, stored) < 1e-6);
}

TEST_CASE("the upstream method refuses rows and grids that are no squares") {
  const auto resize = [](int64_t rows, const Grid& to) {
    return thrown_text([&] {
      resize_pos_embed(
          random_rows(rows), {3, 5}, to, ClsPosition::kMiddle, PosEmbedResize::kUpstream);
    });
  };
  CHECK(contains(resize(16, {4, 4}), "pos_embed: 15 rows of patches are not a square map"));
  CHECK(contains(resize(17, {4, 5}), "pos_embed: 20 rows of patches are not a square map"));
  // As officially, only the number of patches counts: 2 x 8 become a square map of 4 x 4.
  CHECK(resize(26, {2, 8}) == "nothing was thrown");
}

TEST_CASE("the correct method keeps the class row and resizes patches of any aspect ratio") {
  const Grid from = {3, 5};
  const auto to = GENERATE(Grid{6, 4}, Grid{2, 3}, Grid{7, 9}, Grid{3, 6}, Grid{1, 1});
  const at::Tensor stored = random_rows(16);
  const at::Tensor resized =
      resize_pos_embed(stored, from, to, ClsPosition::kMiddle, PosEmbedResize::kCorrect);
  const int64_t old_slot = 7;  // floor(15 / 2)
  const int64_t slot = to.num_patches() / 2;
  REQUIRE(resized.sizes() == at::IntArrayRef({1, to.num_patches() + 1, 6}));
  CHECK(at::equal(resized[0][slot], stored[0][old_slot]));
  const at::Tensor expected = interpolate(
      at::cat({rows_of(stored, 0, old_slot), rows_of(stored, old_slot + 1, 16)}), from, to);
  const at::Tensor patches =
      at::cat({rows_of(resized, 0, slot), rows_of(resized, slot + 1, to.num_patches() + 1)});
  CHECK(test::relative_error(patches.to(at::kDouble), expected) < 5e-6);
}

TEST_CASE("the correct method knows where head and double class tokens stand") {
  const Grid from = {2, 3};
  const Grid to = {3, 2};
  const at::Tensor head = random_rows(7);
  const at::Tensor head_resized =
      resize_pos_embed(head, from, to, ClsPosition::kHead, PosEmbedResize::kCorrect);
  CHECK(at::equal(head_resized[0][0], head[0][0]));
  CHECK(
      test::relative_error(
          rows_of(head_resized, 1, 7).to(at::kDouble), interpolate(rows_of(head, 1, 7), from, to)) <
      5e-6);

  const at::Tensor twice = random_rows(8);
  const at::Tensor twice_resized =
      resize_pos_embed(twice, from, to, ClsPosition::kDouble, PosEmbedResize::kCorrect);
  CHECK(at::equal(twice_resized[0][0], twice[0][0]));
  CHECK(at::equal(twice_resized[0][7], twice[0][7]));
  CHECK(
      test::relative_error(
          rows_of(twice_resized, 1, 7).to(at::kDouble),
          interpolate(rows_of(twice, 1, 7), from, to)) < 5e-6);
}

TEST_CASE("the correct method changes nothing, bit for bit, where the grid stays") {
  const at::Tensor stored = random_rows(17);
  CHECK(at::equal(
      resize_pos_embed(stored, {4, 4}, {4, 4}, ClsPosition::kMiddle, PosEmbedResize::kCorrect),
      stored));
}

TEST_CASE("the correct method refuses rows that are not its grid's") {
  const std::string text = thrown_text([] {
    resize_pos_embed(
        random_rows(16), {4, 4}, {5, 5}, ClsPosition::kMiddle, PosEmbedResize::kCorrect);
  });
  CHECK(contains(text, "pos_embed: 16 rows do not fit a grid of 4 x 4 patches with 1 class"));
}

TEST_CASE("a stored position embedding is fitted to the model's grid, taken for a square one") {
  VisionMambaOptions options = toy_options();  // 4 x 4 patches
  options.img_size = {96, 32};                 // 6 x 2
  const at::Tensor stored = random_rows(17);
  CHECK(at::equal(
      fit_pos_embed(stored, options, PosEmbedResize::kCorrect),
      resize_pos_embed(stored, {4, 4}, {6, 2}, ClsPosition::kMiddle, PosEmbedResize::kCorrect)));
  const at::Tensor oblong = random_rows(16);
  CHECK(at::equal(
      fit_pos_embed(oblong, options, PosEmbedResize::kCorrect, Grid{3, 5}),
      resize_pos_embed(oblong, {3, 5}, {6, 2}, ClsPosition::kMiddle, PosEmbedResize::kCorrect)));
  CHECK(contains(
      thrown_text([&] { fit_pos_embed(oblong, options, PosEmbedResize::kCorrect); }),
      "15 rows of patches are not a square map; name the grid"));
}

}  // namespace
}  // namespace vim::models
