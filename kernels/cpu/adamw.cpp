// AdamW on the CPU, element by element: the specification that the GPU's kernel is compared with.
// The optimizer itself calls LibTorch's fused update there.
#include "kernels/adamw.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/adamw_update.h"
#include "kernels/cpu/check.h"

namespace vim::kernels {
namespace {

void check_factor(const char* what, double value, bool is_valid, const char* range) {
  if (!is_valid) {
    throw std::invalid_argument(
        std::string("adamw: ") + what + " must be " + range + ", got " + std::to_string(value));
  }
}

void check_beta(const char* what, double beta) {
  check_factor(what, beta, beta >= 0.0 && beta < 1.0, "in [0, 1)");
}

template <typename Shadow>
void update_elements(const AdamWParams& params, int64_t begin, int64_t end) {
  const AdamWFactors factors = adamw_factors(params);
  for (int64_t i = begin; i < end; ++i) {
    AdamWElement element{params.value[i], params.exp_avg[i], params.exp_avg_sq[i]};
    adamw_update(factors, params.grad[i], element);
    params.value[i] = element.value;
    params.exp_avg[i] = element.exp_avg;
    params.exp_avg_sq[i] = element.exp_avg_sq;
    if (params.ema != nullptr) {
      params.ema[i] = adamw_average(factors, params.ema[i], element.value);
    }
    if (params.shadow != nullptr) {
      static_cast<Shadow*>(params.shadow)[i] = from_float<Shadow>(element.value);
    }
  }
}

}  // namespace

void check_adamw(const AdamWParams& params) {
  check_between("adamw: size", params.size, 1, std::numeric_limits<int64_t>::max());
  check_beta("beta1", params.beta1);
  check_beta("beta2", params.beta2);
  // Elements whose gradients were all 0 have nothing but eps below the fraction.
  check_factor("eps", params.eps, params.eps > 0.0, "above 0");
  check_factor("weight_decay", params.weight_decay, params.weight_decay >= 0.0, "at least 0");
  check_factor("lr_scale", params.lr_scale, params.lr_scale > 0.0, "above 0");
  const bool is_average = params.ema_decay >= 0.0 && params.ema_decay <= 1.0;
  check_factor("ema_decay", params.ema_decay, is_average, "in [0, 1]");
  check_present("adamw: value", params.value);
  check_present("adamw: grad", params.grad);
  check_present("adamw: exp_avg", params.exp_avg);
  check_present("adamw: exp_avg_sq", params.exp_avg_sq);
  check_present("adamw: lr", params.lr);
  check_present("adamw: step", params.step);
  if (params.shadow != nullptr && params.shadow_dtype == DType::kFloat32) {
    throw std::invalid_argument("adamw: shadow_dtype must be bfloat16 or float16, got float32");
  }
}

int64_t adamw_num_rows(const AdamWParams& params) { return (params.size - 1) / kAdamWRow + 1; }

void adamw(const AdamWParams& params, RowRange rows) {
  check_adamw(params);
  check_rows("adamw", rows, adamw_num_rows(params));
  if (params.found_inf != nullptr && *params.found_inf != 0.0F) {
    return;
  }
  const int64_t begin = rows.begin * kAdamWRow;
  const int64_t end = std::min(rows.end * kAdamWRow, params.size);
  visit_dtype(
      params.shadow_dtype, [&](auto tag) { update_elements<decltype(tag)>(params, begin, end); });
}

}  // namespace vim::kernels
