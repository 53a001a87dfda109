// A program of somebody else, built against the installed package: one op whose result can be
// worked out by hand, and one module.
#include <ATen/ATen.h>

#include <cmath>
#include <iostream>

#include "src/nn/block.h"
#include "src/ops/selective_scan.h"

namespace {

// One token, one channel, one state: y = C (dt B u) + D u, with softplus left out.
double scan_one_token() {
  vim::ops::SelectiveScanInputs inputs;
  inputs.u = at::full({1, 1, 1}, 3.0);
  inputs.delta = at::full({1, 1, 1}, 0.5);
  inputs.A = at::full({1, 1}, -1.0);
  inputs.B = at::full({1, 1, 1}, 2.0);
  inputs.C = at::full({1, 1, 1}, 4.0);
  inputs.D = at::full({1}, 10.0);
  inputs.delta_softplus = false;
  return vim::ops::selective_scan(inputs).out.item<double>();
}

int64_t count_parameters(vim::nn::Block& block) {
  int64_t count = 0;
  for (const at::Tensor& parameter : block->parameters()) {
    count += parameter.numel();
  }
  return count;
}

}  // namespace

int main() {
  const double expected = 4.0 * 0.5 * 2.0 * 3.0 + 10.0 * 3.0;
  const double y = scan_one_token();
  vim::nn::BlockOptions options;
  options.mixer.embed_dim = 16;
  options.norm.dim = 16;
  vim::nn::Block block(options);
  std::cout << "y = " << y << " (expected " << expected << "), a block of "
            << count_parameters(block) << " parameters\n";
  return std::abs(y - expected) < 1e-5 && count_parameters(block) > 0 ? 0 : 1;
}
