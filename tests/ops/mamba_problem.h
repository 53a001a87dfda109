// A small problem for bidirectional_mamba: random inputs and branches of each kind of mixer.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "src/ops/bidirectional_mamba.h"

namespace vim::ops {

constexpr int64_t kInner = 12;
constexpr int64_t kState = 5;
constexpr int64_t kRank = 3;

struct Sizes {
  int64_t batch = 2;
  int64_t inner = kInner;
  int64_t state = kState;
  int64_t rank = kRank;
};

enum class Mode { kNone, kV1, kV2 };

struct Problem {
  at::Tensor xz;
  std::vector<Branch> branches;
  BidirectionalMambaOptions options;
};

Problem make_problem(Mode mode, int64_t seqlen, bool has_conv_bias = true, const Sizes& sizes = {});

std::vector<at::Tensor*> parameters_of(Branch& branch);

/// Leaves of everything, with v1's shared parameters shared again.
Problem with_leaves(Problem problem, at::Tensor (*make_leaf)(const at::Tensor&));

at::Tensor run(const Problem& p);
at::Tensor loss_of(const at::Tensor& out);

/// Of xz and every parameter that is there.
std::vector<at::Tensor> gradients_of(Problem& leaves);

// Rounding to 6e-8 through convolution, two products and a scan of 33 tokens: below 1e-6 each.
constexpr double kOutput = 1e-5;
constexpr double kGradient = 5e-5;

struct Tolerance {
  double output = kOutput;
  double gradient = kGradient;
};

/// Checks output and gradients of the problem against the double reference; `values` holds the
/// values that the op is to have used.
void check_against(const Problem& problem, const Problem& values, const Tolerance& tolerance = {});

}  // namespace vim::ops
