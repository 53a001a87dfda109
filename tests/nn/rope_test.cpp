#include "src/nn/rope.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "tests/support/catch.h"

namespace vim::nn {
namespace {

constexpr RopeOptions kOptions{16, 3, 5, 14};
// Positions below 14 and frequencies are rounded to 6e-8, so angles to 1e-6.
constexpr double kTolerance = 3e-6;

at::Tensor make_tokens(int64_t seqlen) {
  auto generator = at::detail::createCPUGenerator(1);
  return at::empty({2, seqlen, kOptions.embed_dim}).normal_(0.0, 1.0, generator);
}

// The angle of channel c in the cell (row, column), straight from vim_spec 1.9.
double angle(int64_t row, int64_t column, int64_t channel) {
  const int64_t dim = kOptions.embed_dim / 2;
  const bool is_row = channel < dim;
  const double cells = static_cast<double>(is_row ? kOptions.grid_height : kOptions.grid_width);
  const double position = static_cast<double>(is_row ? row : column) / cells *
                          static_cast<double>(kOptions.pretrain_grid);
  const auto j = static_cast<double>(channel % dim / 2);
  return position * std::pow(10000.0, -2.0 * j / static_cast<double>(dim));
}

TEST_CASE("rope tables of a grid that is not square scale each axis by its own side") {
  const Rope rope(kOptions);
  CHECK(rope->num_cells() == 15);
  for (int64_t row = 0; row < kOptions.grid_height; ++row) {
    for (int64_t column = 0; column < kOptions.grid_width; ++column) {
      for (int64_t channel = 0; channel < kOptions.embed_dim; ++channel) {
        const int64_t cell = row * kOptions.grid_width + column;
        const double wanted = angle(row, column, channel);
        CAPTURE(row, column, channel);
        CHECK(
            std::abs(rope->freqs_cos[cell][channel].item<double>() - std::cos(wanted)) <
            kTolerance);
        CHECK(
            std::abs(rope->freqs_sin[cell][channel].item<double>() - std::sin(wanted)) <
            kTolerance);
      }
    }
  }
}

TEST_CASE("rope turns each channel pair of a slot by its cell's angle") {
  Rope rope(kOptions);
  const at::Tensor tokens = make_tokens(17);
  const at::Tensor slots = at::arange(1, 16, at::kLong);
  const at::Tensor out = rope->forward(tokens, slots);
  for (const int64_t cell : {0, 7, 14}) {
    for (int64_t channel = 0; channel < kOptions.embed_dim; channel += 2) {
      const double a = tokens[1][cell + 1][channel].item<double>();
      const double b = tokens[1][cell + 1][channel + 1].item<double>();
      const double turn = angle(cell / 5, cell % 5, channel);
      CAPTURE(cell, channel);
      const double first = a * std::cos(turn) - b * std::sin(turn);
      const double second = b * std::cos(turn) + a * std::sin(turn);
      // Values below 4 times the tables' error.
      CHECK(std::abs(out[1][cell + 1][channel].item<double>() - first) < 8 * kTolerance);
      CHECK(std::abs(out[1][cell + 1][channel + 1].item<double>() - second) < 8 * kTolerance);
    }
  }
}

TEST_CASE("rope leaves tokens outside its slots as they are, bit for bit, and turns the others") {
  Rope rope(kOptions);
  const at::Tensor tokens = make_tokens(18);
  // Cells 0 to 14 stand at 1 to 7 and 9 to 16; 0, 8 and 17 are class tokens.
  const at::Tensor slots = at::cat({at::arange(1, 8, at::kLong), at::arange(9, 17, at::kLong)});
  const at::Tensor out = rope->forward(tokens, slots);
  for (const int64_t slot : {0, 8, 17}) {
    CHECK(at::equal(out.select(1, slot), tokens.select(1, slot)));
  }
  for (const int64_t slot : {2, 7, 9, 16}) {
    CHECK_FALSE(at::equal(out.select(1, slot), tokens.select(1, slot)));
  }
}

TEST_CASE("rope keeps lengths and the dtype of its tokens") {
  Rope rope(kOptions);
  const at::Tensor tokens = make_tokens(15);
  const at::Tensor slots = at::arange(0, 15, at::kLong);
  const at::Tensor out = rope->forward(tokens, slots);
  CHECK(at::allclose(out.norm(2, {-1}), tokens.norm(2, {-1}), 1e-5, 0.0));
  CHECK(rope->forward(tokens.to(at::kBFloat16), slots).scalar_type() == at::kBFloat16);
}

TEST_CASE("rope refuses an embed_dim that does not split into two axes of pairs") {
  const RopeOptions options{18, 3, 5, 14};
  CHECK_THROWS_AS(Rope(options), c10::Error);
}

}  // namespace
}  // namespace vim::nn
