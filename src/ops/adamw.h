// AdamW as one pass of our own kernel, which also advances the weight average and writes the
// low-precision copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace vim::ops {

/// What one update reads and writes, in place. All on one device; one-dimensional, contiguous and
/// of one length, the scalars float. Undefined tensors leave their part out.
struct AdamWTensors {
  at::Tensor value;  // float, as the next three
  at::Tensor grad;   // read only
  at::Tensor exp_avg;
  at::Tensor exp_avg_sq;
  at::Tensor ema;         // float; may be undefined
  at::Tensor shadow;      // bfloat16 or half; may be undefined
  at::Tensor lr;          // scalar
  at::Tensor step;        // scalar: updates including this one
  at::Tensor grad_scale;  // scalar: the gradient is divided by it; may be undefined
  at::Tensor found_inf;   // scalar: not 0 leaves everything as it is; may be undefined
};

struct AdamWFactorOptions {
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;
  double lr_scale = 1.0;  // the learning rate is multiplied by it
  double ema_decay = 0.0;
};

/// Whether adamw runs as a kernel of the device of `tensor`, rather than on the CPU.
bool has_device_adamw(const at::Tensor& tensor);

/// Updates value, moments, average and copy. Throws c10::Error on a mismatch, and
/// std::invalid_argument for factors out of range. Deterministic, bit for bit; waits for no device.
/// Source: Loshchilov & Hutter 2019 (arXiv 1711.05101), vim_spec 6.3, 6.6.
void adamw(const AdamWTensors& tensors, const AdamWFactorOptions& factors);

}  // namespace vim::ops
