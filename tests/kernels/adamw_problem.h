// AdamW problems for every implementation: the cases, the buffers of a run over several steps, and
// the formula in double.
#pragma once

#include <vector>

#include "kernels/adamw.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

struct AdamWCase {
  const char* name;
  int64_t size;
  double weight_decay = 0.0;
  float grad_scale = 0.0F;  // 0: none
  bool has_ema = false;
  kernels::DType shadow = kernels::DType::kFloat32;  // float: none
  int64_t offset = 0;  // elements before the arrays' beginning, which is aligned without them
  double lr_scale = 1.0;
};

/// Sizes from 1 to several blocks with every remainder, each option by itself and all together,
/// arrays off their alignment.
const std::vector<AdamWCase>& adamw_cases();

/// Buffers of one case. Each has `offset` elements before the part that is updated, preset to a
/// sentinel as the shadow is.
struct AdamWRun {
  AdamWCase test;
  std::vector<float> grad, value, exp_avg, exp_avg_sq, ema;
  std::vector<uint16_t> shadow;
  std::vector<float> lr, step, grad_scale, found_inf;  // one number each
  kernels::AdamWParams params;                         // on these buffers

  explicit AdamWRun(const AdamWCase& test);
  AdamWRun(const AdamWRun&) = delete;

  /// New gradients and learning rate for the update that counts as `number`, from 1.
  void begin_step(int number);

  /// Bit for bit, everything that an update writes.
  bool operator==(const AdamWRun& other) const;

  /// Whether the elements before the arrays are as they were.
  bool is_outside_untouched() const;

  /// The part of a buffer that is updated.
  Values inside(const std::vector<float>& buffer) const;

  /// The values rounded to the shadow's type by kernels/storage.h.
  std::vector<uint16_t> expected_shadow() const;
};

/// The same steps in double from the same start; the gradients are the run's.
struct AdamWOracle {
  Values value, exp_avg, exp_avg_sq, ema;

  explicit AdamWOracle(const AdamWRun& run);
  void advance(const AdamWRun& run);
};

/// Compares all arrays of a run that used the given steps with the oracle's.
void check_against_oracle(const AdamWRun& run, const AdamWOracle& oracle);

}  // namespace vim::tests
