// The selective scan in double precision from plain loops: what the kernel tests compare with.
// Written from the formulas in vim_spec 4.1, sharing no code with the kernels.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/types.h"

namespace vim::tests {

/// One problem, as data. Ranges are of the uniform random inputs; A is drawn from [-a_max, -a_min].
struct ScanCase {
  std::string name;
  int64_t batch = 1;
  int64_t seqlen = 1;
  int64_t d_inner = 1;
  int64_t d_state = 16;
  int64_t groups = 1;
  bool has_z = true;
  bool has_D = true;
  bool has_bias = true;
  bool softplus = true;
  int num_directions = 1;
  bool reversed = false;  // of the first direction; a second one walks the other way
  float scale = 1.0F;
  bool gate_defect = false;
  bool dA_of_log = false;
  bool tf32_sums = false;
  kernels::DType dtype = kernels::DType::kFloat32;
  int64_t padding = 0;  // elements between tokens and between samples
  double delta_min = -3.0;
  double delta_max = 1.5;
  double a_min = 0.05;
  double a_max = 8.0;
};

/// Dense tensors by name, row-major, channel-last: u0, delta0, A0, B0, C0, D0, delta_bias0, the
/// same with 1, z, dout; results out, last_state0; gradients with d in front, as du0 or dz.
using Tensors = std::map<std::string, std::vector<double>>;

/// Number of elements of the tensor that `name` (without the direction's digit) stands for.
int64_t scan_tensor_size(const ScanCase& scan, const std::string& name);

/// Random inputs that depend only on the case's sizes and `seed`; absent inputs are left out. Not
/// rounded.
Tensors make_scan_inputs(const ScanCase& scan, uint32_t seed);

/// out and last_stateI.
Tensors oracle_scan_forward(const ScanCase& scan, const Tensors& inputs);

/// Gradients of sum(out * dout) for every input; with gate_defect, dz as if z were a constant in
/// the second direction; with dA_of_log, dA of log(-A), which is dA * A.
Tensors oracle_scan_backward(const ScanCase& scan, const Tensors& inputs);

}  // namespace vim::tests
