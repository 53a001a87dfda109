// One AdamW update of a flat range of parameters, with what follows from it: the weight average and
// the low-precision copy, all in one pass.
//
//   g     = grad / grad_scale
//   m     = beta1 m + (1 - beta1) g
//   v     = beta2 v + (1 - beta2) g^2
//   value = value (1 - lr weight_decay)
//           - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//   ema   = ema + (1 - ema_decay) (value - ema)
//
// What does not depend on the element is formed in double and rounded once; the elements are float.
// The gradient is left as it is. Source: Loshchilov & Hutter 2019 (arXiv 1711.05101), algorithm 2,
// without its schedule multiplier and with the decay taken first, as PyTorch does; vim_spec 6.3,
// 6.6.
#pragma once

#include "kernels/types.h"

namespace vim::kernels {

struct AdamWParams {
  int64_t size = 0;
  double beta1 = 0.9;  // both in [0, 1)
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double lr_scale = 1.0;                  // above 0; lr is multiplied by it
  double ema_decay = 0.0;                 // in [0, 1]
  DType shadow_dtype = DType::kBFloat16;  // or kFloat16

  const float* grad = nullptr;  // these four: (size)
  float* value = nullptr;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
  float* ema = nullptr;    // (size), or null: no average
  void* shadow = nullptr;  // (size) of shadow_dtype, or null: no copy

  // Scalars in the arrays' memory.
  const float* lr = nullptr;
  const float* step = nullptr;        // t: updates including this one, at least 1
  const float* grad_scale = nullptr;  // or null: 1
  const float* found_inf = nullptr;   // not 0: nothing is written; or null: 0
};

/// Throws std::invalid_argument for sizes or factors that make no sense or a missing array.
void check_adamw(const AdamWParams& params);

/// Elements of a row.
inline constexpr int64_t kAdamWRow = 1024;

/// One row per kAdamWRow elements, the last one perhaps shorter.
int64_t adamw_num_rows(const AdamWParams& params);

/// Updates the rows' elements. Throws std::invalid_argument as check_adamw does. Deterministic.
void adamw(const AdamWParams& params, RowRange rows);

}  // namespace vim::kernels
