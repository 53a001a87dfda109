// Cross-entropy on the CPU. The logits are a thousandth of a step's work, so there is one version,
// which the compiler may vectorise. Sums over classes are in double: that is what the float terms
// of a thousand classes deserve, and it costs nothing here.
#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/cpu/check.h"
#include "kernels/cross_entropy_target.h"

namespace vim::kernels {
namespace {

LabelTarget checked_label_target(const CrossEntropyParams& params, int64_t row) {
  const LabelTarget target = label_target(params, smooth_targets(params), row);
  check_between("cross_entropy: label", target.label, 0, params.num_classes - 1);
  check_between("cross_entropy: partner label", target.partner_label, 0, params.num_classes - 1);
  return target;
}

template <typename Target>
void cross_entropy_row(const CrossEntropyParams& params, int64_t row, Target target) {
  const int64_t base = row * params.num_classes;
  const float* logits = params.logits + base;
  const float largest = *std::max_element(logits, logits + params.num_classes);
  double exp_sum = 0.0;
  double target_sum = 0.0;
  double weighted = 0.0;  // sum of target * (largest - logit), no term of which is negative
  for (int64_t c = 0; c < params.num_classes; ++c) {
    exp_sum += std::exp(logits[c] - largest);
    target_sum += target(c);
    weighted += target(c) * (largest - logits[c]);
  }
  params.loss[row] = static_cast<float>(std::log(exp_sum) * target_sum + weighted);
  if (params.dlogits == nullptr) {
    return;
  }
  const auto probability_scale = static_cast<float>(target_sum / exp_sum);
  for (int64_t c = 0; c < params.num_classes; ++c) {
    const float expected = std::exp(logits[c] - largest) * probability_scale;
    params.dlogits[base + c] = (expected - target(c)) * params.grad_scale;
  }
}

}  // namespace

SmoothTargets smooth_targets(const CrossEntropyParams& params) {
  const double smoothing = params.smoothing;
  const double off = smoothing / static_cast<double>(params.num_classes);
  return {static_cast<float>(off), static_cast<float>(1.0 - smoothing + off)};
}

void check_cross_entropy(const CrossEntropyParams& params) {
  check_between("cross_entropy: rows", params.rows, 1, kUnlimited);
  check_between("cross_entropy: num_classes", params.num_classes, 1, kUnlimited);
  check_present("cross_entropy: logits", params.logits);
  check_present("cross_entropy: loss", params.loss);
  if (params.targets != nullptr) {
    return;
  }
  check_present("cross_entropy: labels or targets", params.labels);
  if (!(params.smoothing >= 0.0F && params.smoothing < 1.0F)) {
    throw std::invalid_argument(
        "cross_entropy: smoothing must be in [0, 1), got " + std::to_string(params.smoothing));
  }
}

int64_t cross_entropy_num_rows(const CrossEntropyParams& params) { return params.rows; }

void cross_entropy(const CrossEntropyParams& params, RowRange rows) {
  check_cross_entropy(params);
  check_rows("cross_entropy", rows, params.rows);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (params.targets == nullptr) {
      cross_entropy_row(params, row, checked_label_target(params, row));
    } else {
      const float* targets = params.targets + row * params.num_classes;
      cross_entropy_row(params, row, [targets](int64_t c) { return targets[c]; });
    }
  }
}

void check_loss_sum(const LossSumParams& params) {
  check_between("loss_sum: rows", params.rows, 1, kUnlimited);
  check_present("loss_sum: loss", params.loss);
  check_present("loss_sum: total", params.total);
}

void loss_sum(const LossSumParams& params) {
  check_loss_sum(params);
  double total = 0.0;
  for (int64_t row = 0; row < params.rows; ++row) {
    total += params.loss[row];
  }
  *params.total = static_cast<float>(total * params.scale);
}

}  // namespace vim::kernels
