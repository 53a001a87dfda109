#include "tests/kernels/conv_problem.h"

#include <cmath>

namespace vim::tests {
namespace {

using kernels::DType;
using kernels::RowRange;

double sigmoid(double value) { return 1.0 / (1.0 + std::exp(-value)); }

// Calls f(output index, x index, weight index) for each product of direction i. Written from the
// outputs' side, as a scatter, unlike the kernels.
template <typename F>
void for_each_product(const ConvCase& test, int i, F f) {
  for (int64_t row = 0; row < test.batch * test.seqlen; ++row) {
    for (int64_t k = 0; k < test.width; ++k) {
      const int64_t back = test.width - 1 - k;
      const int64_t t = row % test.seqlen;
      const int64_t source = test.reversed(i) ? t + back : t - back;
      if (source < 0 || source >= test.seqlen) continue;
      for (int64_t c = 0; c < test.channels; ++c) {
        f(row * test.channels + c, (row - t + source) * test.channels + c, c * test.width + k);
      }
    }
  }
}

Values pre_activation(const ConvCase& test, const ConvTensors& in, int i) {
  Values o(test.shape().size(), 0.0);
  for (size_t j = 0; j < o.size() && test.has_bias; ++j) o[j] = in.bias[i][j % test.channels];
  for_each_product(
      test, i, [&](int64_t out, int64_t x, int64_t w) { o[out] += in.weight[i][w] * in.x[x]; });
  return o;
}

// dout of direction i, with its product.
Values whole_dout(const ConvCase& test, const ConvTensors& in, int i) {
  Values dout = in.tokens[i];
  for (int64_t j = 0; j < std::ssize(dout); ++j) {
    const double* left = in.left[i].data() + j / test.channels * test.depth;
    for (int64_t k = 0; k < test.depth; ++k) {
      dout[j] += left[k] * in.right[i][k * test.channels + j % test.channels];
    }
  }
  return dout;
}

// Adds direction i's share to grads.x; fills its weight and bias gradient.
void oracle_backward(const ConvCase& test, const ConvTensors& in, int i, ConvTensors& grads) {
  Values g = whole_dout(test, in, i);
  const Values o = pre_activation(test, in, i);
  for (size_t j = 0; j < g.size() && test.silu; ++j) {
    const double s = sigmoid(o[j]);
    g[j] *= s + o[j] * s * (1.0 - s);
  }
  Values dweight(in.weight[i].size(), 0.0);
  Values dbias(in.bias[i].size(), 0.0);
  for_each_product(test, i, [&](int64_t out, int64_t x, int64_t w) {
    grads.x[x] += in.weight[i][w] * g[out];
    dweight[w] += in.x[x] * g[out];
  });
  for (size_t j = 0; j < g.size() && test.has_bias; ++j) dbias[j % test.channels] += g[j];
  grads.weight.push_back(dweight);
  grads.bias.push_back(dbias);
}

void fill_forward(ConvRun& run) {
  run.forward.batch = run.test.batch;
  run.forward.seqlen = run.test.seqlen;
  run.forward.channels = run.test.channels;
  run.forward.width = run.test.width;
  run.forward.dtype = run.test.dtype;
  run.forward.silu = run.test.silu;
  run.forward.x = run.x.view();
  run.forward.num_directions = run.test.num_directions();
  for (int i = 0; i < run.test.num_directions(); ++i) {
    run.forward.direction[i].weight = run.weight[i].data();
    run.forward.direction[i].bias = run.test.has_bias ? run.bias[i].data() : nullptr;
    run.forward.direction[i].reversed = run.test.reversed(i);
    run.forward.direction[i].out = run.out[i].mutable_view();
  }
}

void fill_backward(ConvRun& run) {
  run.backward.forward = run.forward;
  run.backward.dx = run.dx.mutable_view();
  run.backward.depth = run.test.depth;
  for (int i = 0; i < run.test.num_directions(); ++i) {
    run.backward.dout[i] = run.dout[i].view();
    if (run.test.depth > 0) {
      run.backward.left[i] = run.left[i].view();
      run.backward.right[i] = run.right[i].view().data;
    }
    run.backward.dweight[i] = run.dweight[i].data();
    run.backward.dbias[i] = run.test.has_bias ? run.dbias[i].data() : nullptr;
  }
  const uint64_t garbage = ~uint64_t{0};  // NaN: the workspace must not need clearing
  run.workspace.assign(causal_conv1d_backward_workspace_size(run.backward) / 8 + 1, garbage);
  run.backward.workspace = run.workspace.data();
}

}  // namespace

const std::vector<ConvCase>& conv_cases() {
  static const std::vector<ConvCase> cases = {
      {"one_of_everything", 1, 1, 1, 1},
      {"one_token", 2, 1, 5, 4, "fr"},
      {"two_tokens", 2, 2, 64, 4, "fr"},
      {"three_tokens", 2, 3, 130, 4, "fr"},
      {"shorter_than_width", 1, 3, 5, 8, "fr"},
      {"vim_tiny", 2, 197, 384, 4, "fr"},
      {"long", 1, 2049, 5, 4, "fr"},
      {"block_edge", 1, 32, 64, 4, "fr"},
      {"past_block_edge", 1, 33, 65, 4, "fr"},
      {"forward_only", 2, 50, 70, 4, "f"},
      {"reversed_only", 2, 50, 70, 4, "r"},
      {"two_forward", 2, 20, 6, 4, "ff"},
      {"width_1", 2, 19, 66, 1, "fr"},
      {"width_2", 2, 19, 66, 2, "fr"},
      {"width_3", 2, 19, 66, 3, "fr"},
      {"width_8", 2, 49, 66, 8, "fr"},
      {"no_bias", 2, 40, 24, 4, "fr", false},
      {"no_silu", 2, 40, 24, 4, "fr", true, false},
      {"strided", 3, 37, 70, 4, "fr", true, true, DType::kFloat32, 7},
      {"large_values", 2, 37, 70, 4, "fr", true, true, DType::kFloat32, 0, 1e4},
      {"bfloat16", 2, 37, 130, 4, "fr", true, true, DType::kBFloat16},
      {"bfloat16_strided_large", 2, 37, 67, 4, "fr", true, true, DType::kBFloat16, 3, 1e4},
      {"float16", 2, 37, 130, 4, "fr", true, true, DType::kFloat16},
      {"float16_strided", 2, 37, 67, 3, "r", false, true, DType::kFloat16, 5},
      {"width_5", 2, 19, 66, 5, "fr"},
      {"width_6", 2, 19, 66, 6, "rf"},
      {"width_7", 1, 19, 66, 7, "f"},
      {"packs_width_2", 2, 45, 136, 2, "rf"},
      {"packs_width_3", 2, 45, 136, 3, "fr"},
      {"packs_width_2_alone", 2, 45, 136, 2, "r"},
      {"packs_width_3_alone", 2, 45, 136, 3, "f", true, true, DType::kBFloat16},
      {"packs_reversed_first", 3, 61, 8, 4, "rf", true, true, DType::kBFloat16, 8},
      {"packs_two_reversed", 2, 41, 12, 4, "rr", false, false, DType::kFloat16, 4},
      {"packs_long", 1, 2049, 8, 4, "rf", true, true, DType::kFloat32, 8},
      {"vim_tiny_bfloat16", 2, 197, 384, 4, "fr", true, true, DType::kBFloat16, 384},
      {"vim_tiny_float16", 1, 197, 384, 4, "f", true, true, DType::kFloat16, 384},
  };
  return cases;
}

std::vector<ConvCase> conv_device_cases() {
  std::vector<ConvCase> cases = conv_cases();
  cases.push_back(
      {"packs_large_values", 2, 150, 136, 4, "fr", true, true, DType::kFloat32, 0, 1e4});
  return cases;
}

const std::vector<ConvCase>& conv_product_cases() {
  const auto bf16 = DType::kBFloat16;
  static const std::vector<ConvCase> cases = {
      {"product_one_token", 2, 1, 64, 4, "fr", true, true, bf16, 0, 1.0, 48},
      {"product_three_tokens", 1, 3, 64, 4, "rf", true, true, bf16, 0, 1.0, 16},
      {"product_tile_edge", 2, 37, 128, 4, "fr", true, true, bf16, 8, 1.0, 40},
      {"product_past_tile_edge", 2, 38, 64, 4, "fr", false, true, bf16, 0, 1.0, 8},
      {"product_two_forward", 1, 45, 64, 4, "ff", true, true, bf16, 0, 1.0, 32},
      {"product_no_silu", 1, 41, 64, 4, "fr", true, false, bf16, 0, 1.0, 48},
      {"product_alone", 3, 53, 64, 4, "r", true, true, bf16, 0, 1.0, 56},
      {"product_alone_float16", 1, 40, 64, 4, "f", true, true, DType::kFloat16, 16, 1.0, 24},
      {"product_vim_tiny", 2, 197, 384, 4, "fr", true, true, bf16, 384, 1.0, 48},
      {"product_vim_small", 1, 197, 192, 4, "fr", true, true, DType::kFloat16, 0, 1.0, 56},
      {"product_deepest", 1, 90, 64, 4, "fr", true, true, DType::kFloat16, 0, 1.0, 64},
  };
  return cases;
}

const std::vector<ConvCase>& conv_projection_cases() {
  const auto bf16 = DType::kBFloat16;
  const auto f16 = DType::kFloat16;
  static const std::vector<ConvCase> cases = {
      {"project_one_token", 3, 1, 384, 4, "fr", true, true, bf16, 0, 1.0, 0, 48},
      {"project_two_tokens", 1, 2, 384, 4, "rf", true, true, f16, 4, 1.0, 0, 48},
      {"project_five_tokens", 2, 5, 384, 4, "fr", false, true, bf16, 0, 1.0, 0, 48},
      {"project_round_edge", 1, 13, 384, 4, "fr", true, true, f16, 384, 1.0, 0, 48},
      {"project_past_round_edge", 1, 14, 384, 4, "rr", true, true, bf16, 8, 1.0, 0, 48},
      {"project_inside", 2, 33, 384, 4, "fr", true, true, bf16, 12, 1.0, 0, 48},
      {"project_alone", 3, 37, 384, 4, "f", true, true, f16, 0, 1.0, 0, 48},
      {"project_reversed_alone", 1, 61, 384, 4, "r", true, true, bf16, 0, 1.0, 0, 48},
      {"project_large_values", 1, 40, 384, 4, "fr", true, true, bf16, 0, 1e4, 0, 48},
      {"project_vim_tiny", 2, 197, 384, 4, "fr", true, true, bf16, 384, 1.0, 0, 48},
      // So many tokens that a chunk has several rounds.
      {"project_long", 1, 4401, 384, 4, "fr", true, true, bf16, 0, 1.0, 0, 48},
  };
  return cases;
}

ConvTensors make_conv_inputs(const ConvCase& test) {
  const int64_t size = test.shape().size();
  ConvTensors in;
  in.x = rounded(random_values(size, 1, test.scale), test.dtype);
  for (int i = 0; i < test.num_directions(); ++i) {
    in.weight.push_back(random_values(test.channels * test.width, 10 + i));
    in.bias.push_back(random_values(test.has_bias ? test.channels : 0, 20 + i));
    in.tokens.push_back(rounded(random_values(size, 30 + i), test.dtype));
    in.left.push_back(rounded(random_values(test.left_shape().size(), 40 + i), test.dtype));
    in.right.push_back(rounded(random_values(test.right_shape().size(), 50 + i), test.dtype));
    in.projection.push_back(
        rounded(random_values(test.projection_shape().size(), 60 + i), test.dtype));
  }
  return in;
}

Values conv_oracle(const ConvCase& test, const ConvTensors& in, int i) {
  Values o = pre_activation(test, in, i);
  for (double& value : o) {
    if (test.silu) value *= sigmoid(value);
  }
  return o;
}

ConvTensors conv_oracle_gradients(const ConvCase& test, const ConvTensors& in) {
  ConvTensors grads;
  grads.x.assign(in.x.size(), 0.0);
  for (int i = 0; i < test.num_directions(); ++i) {
    oracle_backward(test, in, i, grads);
  }
  return grads;
}

ConvRun::ConvRun(const ConvCase& conv, const ConvTensors& in)
    : test(conv), x(conv.shape(), conv.dtype), dx(conv.shape(), conv.dtype) {
  x.set(in.x);
  for (int i = 0; i < test.num_directions(); ++i) {
    out.emplace_back(test.shape(), test.dtype);
    dout.emplace_back(test.shape(), test.dtype);
    dout.back().set(in.tokens[i]);
    left.emplace_back(test.left_shape(), test.dtype);
    left.back().set(in.left[i]);
    right.emplace_back(test.right_shape(), test.dtype);
    right.back().set(in.right[i]);
    projection.emplace_back(test.projection_shape(), test.dtype);
    projection.back().set(in.projection[i]);
    projected.emplace_back(test.projected_shape(), test.dtype);
    weight.push_back(to_floats(in.weight[i]));
    bias.push_back(to_floats(in.bias[i]));
    dweight.emplace_back(in.weight[i].size(), NAN);
    dbias.emplace_back(in.bias[i].size(), NAN);
  }
  fill_forward(*this);
  fill_backward(*this);
}

void ConvRun::run(int64_t piece) {
  run_in_pieces(causal_conv1d_num_rows(forward), piece, [&](RowRange rows) {
    causal_conv1d_forward(forward, rows);
  });
  run_in_pieces(causal_conv1d_num_rows(forward), piece, [&](RowRange rows) {
    causal_conv1d_backward(backward, rows);
  });
  run_in_pieces(causal_conv1d_backward_reduce_num_rows(backward), piece, [&](RowRange rows) {
    causal_conv1d_backward_reduce(backward, rows);
  });
}

}  // namespace vim::tests
