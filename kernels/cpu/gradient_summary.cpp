// The gradient summary on the CPU, gradient by gradient: the specification that the GPU's is
// compared with.
#include "kernels/gradient_summary.h"

#include <cmath>

#include "kernels/cpu/check.h"
#include "kernels/gradient_control.h"

namespace vim::kernels {

void check_gradient_summary(const GradientSummaryParams& params) {
  check_between("gradient_summary: size", params.size, 1, kUnlimited);
  check_present("gradient_summary: gradients", params.gradients);
  check_present("gradient_summary: values", params.values);
  check_present("gradient_summary: found_inf", params.found_inf);
  check_present("gradient_summary: grad_scale", params.grad_scale);
}

void gradient_summary(const GradientSummaryParams& params) {
  check_gradient_summary(params);
  double squares = 0.0;
  int64_t first_non_finite = -1;
  for (int64_t i = 0; i < params.size; ++i) {
    const double gradient = params.gradients[i];
    squares += gradient * gradient;
    if (first_non_finite < 0 && !is_finite_value(gradient)) {
      first_non_finite = i;
    }
  }
  write_gradient_summary(params, std::sqrt(squares), first_non_finite);
}

}  // namespace vim::kernels
