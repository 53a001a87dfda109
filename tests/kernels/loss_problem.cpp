#include "tests/kernels/loss_problem.h"

#include <algorithm>
#include <cmath>

namespace vim::tests {
namespace {

using kernels::CrossEntropyParams;

Values log_softmax(const Values& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  Values result;
  for (const double logit : logits) result.push_back(logit - largest - std::log(sum));
  return result;
}

// 1 - s + s / K for the class itself, s / K for the others.
double smooth(const CrossEntropyParams& params, bool is_label) {
  const double off = static_cast<double>(params.smoothing) / params.num_classes;
  return is_label ? 1.0 - params.smoothing + off : off;
}

Values row_of(const Values& values, int64_t row, int64_t size) {
  return {values.begin() + row * size, values.begin() + (row + 1) * size};
}

}  // namespace

const std::vector<LossCase>& loss_cases() {
  static const std::vector<LossCase> cases = {
      {"one_class", 3, 1, 0.1},
      {"two_classes", 5, 2},
      {"plain", 7, 10},
      {"smooth", 7, 10, 0.1},
      {"mixed", 9, 33, 0.1, true},
      {"mixed_without_smoothing", 9, 100, 0.0, true},
      {"imagenet", 16, 1000, 0.1, true},
      {"many_classes", 2, 2049, 0.3, true},
      {"dense", 8, 257, 0.0, false, true},
      {"far_from_zero", 4, 100, 0.1, true, false, 5.0, 1e4},
      {"certain", 6, 40, 0.1, true, false, 90.0},
  };
  return cases;
}

LossRun::LossRun(const LossCase& test)
    : targets(), loss(test.rows, NAN), dlogits(test.rows * test.num_classes, NAN) {
  const int64_t size = test.rows * test.num_classes;
  for (const double logit : random_values(size, 1, test.scale)) {
    logits.push_back(static_cast<float>(logit + test.offset));
  }
  for (int64_t row = 0; row < test.rows; ++row) {
    labels.push_back(row * 7 % test.num_classes);
    partner_labels.push_back((test.rows - 1 - row) * 7 % test.num_classes);
    mix_lambda.push_back(static_cast<float>(row) / static_cast<float>(test.rows));
  }
  if (test.has_targets) {
    for (const double value : random_values(size, 2, 0.5)) {
      targets.push_back(static_cast<float>(value + 0.5));
    }
  }
  params.rows = test.rows;
  params.num_classes = test.num_classes;
  params.smoothing = static_cast<float>(test.smoothing);
  params.grad_scale = 1.0F / static_cast<float>(test.rows);
  params.logits = logits.data();
  params.labels = test.has_targets ? nullptr : labels.data();
  params.partner_labels = test.has_mix ? partner_labels.data() : nullptr;
  params.mix_lambda = test.has_mix ? mix_lambda.data() : nullptr;
  params.targets = test.has_targets ? targets.data() : nullptr;
  params.loss = loss.data();
  params.dlogits = dlogits.data();
}

Values loss_targets(const CrossEntropyParams& params) {
  Values targets;
  for (int64_t i = 0; i < params.rows * params.num_classes; ++i) {
    if (params.targets != nullptr) {
      targets.push_back(params.targets[i]);
      continue;
    }
    const int64_t row = i / params.num_classes;
    const int64_t c = i % params.num_classes;
    double target = smooth(params, c == params.labels[row]);
    if (params.mix_lambda != nullptr) {
      const double lambda = params.mix_lambda[row];
      target = lambda * target + (1.0 - lambda) * smooth(params, c == params.partner_labels[row]);
    }
    targets.push_back(target);
  }
  return targets;
}

double row_loss(const Values& logits, const Values& targets) {
  const Values log_probs = log_softmax(logits);
  double loss = 0.0;
  for (size_t c = 0; c < logits.size(); ++c) loss -= targets[c] * log_probs[c];
  return loss;
}

LossResults loss_oracle(const CrossEntropyParams& params) {
  const int64_t size = params.num_classes;
  const Values all_logits(params.logits, params.logits + params.rows * size);
  const Values all_targets = loss_targets(params);
  LossResults results;
  for (int64_t row = 0; row < params.rows; ++row) {
    const Values logits = row_of(all_logits, row, size);
    const Values targets = row_of(all_targets, row, size);
    results.loss.push_back(row_loss(logits, targets));
    const Values log_probs = log_softmax(logits);
    double target_sum = 0.0;
    for (const double target : targets) target_sum += target;
    for (int64_t c = 0; c < size; ++c) {
      const double gradient = std::exp(log_probs[c]) * target_sum - targets[c];
      results.dlogits.push_back(gradient * params.grad_scale);
    }
  }
  return results;
}

}  // namespace vim::tests
