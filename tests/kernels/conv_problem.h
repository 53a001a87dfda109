// One convolution problem: the cases, their inputs, the definition in double and the buffers of a
// run.
#pragma once

#include <string>
#include <vector>

#include "kernels/causal_conv1d.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

/// directions: one letter each, f or r.
struct ConvCase {
  const char* name;
  int64_t batch;
  int64_t seqlen;
  int64_t channels;
  int64_t width = 4;
  std::string directions = "f";
  bool has_bias = true;
  bool silu = true;
  kernels::DType dtype = kernels::DType::kFloat32;
  int64_t gap = 0;
  double scale = 1.0;
  int64_t depth = 0;    // of the product that is a part of dout, see ConvBackwardParams
  int64_t columns = 0;  // of the projection of out, see ConvDirection

  int num_directions() const { return static_cast<int>(directions.size()); }
  bool reversed(int i) const { return directions[i] == 'r'; }
  TokenShape shape() const { return {batch, seqlen, channels, gap}; }
  TokenShape left_shape() const { return {batch, seqlen, depth, gap}; }
  TokenShape right_shape() const { return {1, depth, channels}; }
  TokenShape projection_shape() const { return {1, columns, channels}; }
  TokenShape projected_shape() const { return {batch, seqlen, columns, gap}; }
};

/// Awkward sizes, every width and direction, all storage types, strides, large values.
const std::vector<ConvCase>& conv_cases();

/// These, and one whose sums of large terms come so near 0 that float must be compensated to meet
/// the limits, as in the CUDA kernels. The CPU's are not: AVX2 is off by 4e-5 there.
std::vector<ConvCase> conv_device_cases();

/// Backwards that the CUDA kernels alone serve: a part of dout is a product.
const std::vector<ConvCase>& conv_product_cases();

/// Forwards that the CUDA kernels alone serve: out is projected, too.
const std::vector<ConvCase>& conv_projection_cases();

/// Inputs or gradients, one entry for each direction where there are several.
struct ConvTensors {
  Values x;
  std::vector<Values> weight, bias, tokens;  // tokens: out, or dout
  std::vector<Values> left, right;           // dout is tokens + left right; empty: tokens
  std::vector<Values> projection;
};

ConvTensors make_conv_inputs(const ConvCase& test);

/// out of direction i, in double.
Values conv_oracle(const ConvCase& test, const ConvTensors& in, int i);

/// Gradients of the sum of out * in.tokens over all directions, in double; tokens stays empty.
ConvTensors conv_oracle_gradients(const ConvCase& test, const ConvTensors& in);

/// Buffers and parameter structs of one case. The parameters ask for no projection.
struct ConvRun {
  const ConvCase& test;
  TokenArray x, dx;
  std::vector<TokenArray> out, dout, left, right, projection, projected;
  std::vector<std::vector<float>> weight, bias, dweight, dbias;
  std::vector<uint64_t> workspace;
  kernels::ConvParams forward;
  kernels::ConvBackwardParams backward;

  ConvRun(const ConvCase& conv, const ConvTensors& in);

  /// Both entries and the reduction on the selected backend, in pieces of at most `piece` rows.
  void run(int64_t piece);
};

}  // namespace vim::tests
