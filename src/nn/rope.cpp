// Rotary tables and their application, on stock tensor operations: rope is an option, not a hot
// path.
#include "src/nn/rope.h"

#include <ATen/ATen.h>

namespace vim::nn {
namespace {

// (cells, embed_dim / 2): each frequency's angle at each position along one axis, twice in a row.
at::Tensor axis_angles(int64_t cells, const RopeOptions& options) {
  constexpr double kBase = 10000.0;
  const int64_t dim = options.embed_dim / 2;
  const at::Tensor exponents = at::arange(0, dim, 2, at::kFloat).div(static_cast<double>(dim));
  const at::Tensor frequencies = at::reciprocal(at::pow(kBase, exponents));
  const at::Tensor positions = at::arange(0, cells, 1, at::kFloat)
                                   .div(static_cast<double>(cells))
                                   .mul(static_cast<double>(options.pretrain_grid));
  const at::Tensor angles = positions.unsqueeze(1) * frequencies.unsqueeze(0);
  return angles.repeat_interleave(2, 1);
}

}  // namespace

RopeImpl::RopeImpl(const RopeOptions& options) {
  TORCH_CHECK(
      options.embed_dim % 4 == 0,
      "Rope: embed_dim must be divisible by 4, got ",
      options.embed_dim);
  const at::Tensor rows = axis_angles(options.grid_height, options);
  const at::Tensor columns = axis_angles(options.grid_width, options);
  const std::vector<int64_t> shape = {options.grid_height, options.grid_width, rows.size(1)};
  const at::Tensor angles =
      at::cat({rows.unsqueeze(1).expand(shape), columns.unsqueeze(0).expand(shape)}, 2)
          .reshape({-1, options.embed_dim});
  freqs_cos = register_buffer("freqs_cos", angles.cos());
  freqs_sin = register_buffer("freqs_sin", angles.sin());
}

at::Tensor RopeImpl::forward(const at::Tensor& tokens, const at::Tensor& slots) {
  // Tables over the whole sequence: angle 0 (cos 1, sin 0) leaves a token as it is, bit for bit.
  const std::vector<int64_t> shape = {tokens.size(1), tokens.size(2)};
  const at::Tensor cos = at::ones(shape, freqs_cos.options()).index_copy(0, slots, freqs_cos);
  const at::Tensor sin = at::zeros(shape, freqs_sin.options()).index_copy(0, slots, freqs_sin);
  const at::Tensor pairs = tokens.unflatten(-1, {-1, 2});
  const at::Tensor rotated =
      at::stack({pairs.select(-1, 1).neg(), pairs.select(-1, 0)}, -1).flatten(-2);
  return (tokens * cos + rotated * sin).to(tokens.scalar_type());
}

}  // namespace vim::nn
