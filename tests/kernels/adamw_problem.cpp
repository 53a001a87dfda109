#include "tests/kernels/adamw_problem.h"

#include <cmath>
#include <cstring>

#include "kernels/storage.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::DType;

constexpr float kSentinel = 77.0F;
constexpr uint16_t kShadowSentinel = 0x7777;

// A few roundings to 6e-8 in each of the steps. (1 - beta2 formed in float would be off by 1e-5.)
constexpr double kLimit = 1e-6;

std::vector<float> with_offset(int64_t offset, const Values& values) {
  std::vector<float> buffer(offset, kSentinel);
  for (const double value : values) buffer.push_back(static_cast<float>(value));
  return buffer;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

const std::vector<AdamWCase>& adamw_cases() {
  static const std::vector<AdamWCase> cases = {
      {"one", 1},
      {"three", 3, 0.05},
      {"four", 4, 0.05},
      {"five", 5, 0.05, 3.0F, true, DType::kBFloat16},
      {"plain", 1024},
      {"decayed", 1027, 0.3},
      {"scaled", 1030, 0.0, 65536.0F},
      {"averaged", 2049, 0.0, 0.0F, true},
      {"bfloat16", 1001, 0.05, 0.0F, false, DType::kBFloat16},
      {"float16", 1001, 0.05, 0.0F, false, DType::kFloat16},
      {"all_one_block", 4096, 0.05, 1.7F, true, DType::kBFloat16},
      {"all_three_blocks", 9001, 0.05, 1.7F, true, DType::kFloat16},
      {"off_by_one", 4101, 0.05, 1.7F, true, DType::kBFloat16, 1},
      {"off_by_two", 517, 0.05, 0.0F, true, DType::kFloat16, 2},
      {"off_by_three", 63, 0.05, 0.0F, false, DType::kFloat32, 3},
      {"slower", 1030, 0.3, 0.0F, true, DType::kBFloat16, 0, 0.125},
  };
  return cases;
}

AdamWRun::AdamWRun(const AdamWCase& which)
    : test(which),
      grad(with_offset(test.offset, Values(test.size))),
      value(with_offset(test.offset, random_values(test.size, 1))),
      exp_avg(with_offset(test.offset, Values(test.size))),
      exp_avg_sq(exp_avg),
      ema(value),
      shadow(test.offset + test.size, kShadowSentinel),
      lr{0.0F},
      step{0.0F},
      grad_scale{test.grad_scale},
      found_inf{0.0F} {
  params.size = test.size;
  params.weight_decay = test.weight_decay;
  params.lr_scale = test.lr_scale;
  params.ema_decay = 0.9;
  params.grad = grad.data() + test.offset;
  params.value = value.data() + test.offset;
  params.exp_avg = exp_avg.data() + test.offset;
  params.exp_avg_sq = exp_avg_sq.data() + test.offset;
  params.ema = test.has_ema ? ema.data() + test.offset : nullptr;
  if (test.shadow != DType::kFloat32) {
    params.shadow = shadow.data() + test.offset;
    params.shadow_dtype = test.shadow;
  }
  params.lr = lr.data();
  params.step = step.data();
  params.grad_scale = test.grad_scale == 0.0F ? nullptr : grad_scale.data();
  params.found_inf = found_inf.data();
}

void AdamWRun::begin_step(int number) {
  const double scale = test.grad_scale == 0.0F ? 1.0 : test.grad_scale;
  grad = with_offset(test.offset, random_values(test.size, 10 + number, scale));
  params.grad = grad.data() + test.offset;
  lr[0] = 0.01F / static_cast<float>(number);
  step[0] = static_cast<float>(number);
}

bool AdamWRun::operator==(const AdamWRun& other) const {
  return same_bits(value, other.value) && same_bits(exp_avg, other.exp_avg) &&
         same_bits(exp_avg_sq, other.exp_avg_sq) && same_bits(ema, other.ema) &&
         shadow == other.shadow;
}

bool AdamWRun::is_outside_untouched() const {
  for (int64_t i = 0; i < test.offset; ++i) {
    for (const auto* buffer : {&value, &exp_avg, &exp_avg_sq, &ema}) {
      if ((*buffer)[i] != kSentinel) return false;
    }
    if (shadow[i] != kShadowSentinel) return false;
  }
  return true;
}

Values AdamWRun::inside(const std::vector<float>& buffer) const {
  return {buffer.begin() + test.offset, buffer.end()};
}

std::vector<uint16_t> AdamWRun::expected_shadow() const {
  std::vector<uint16_t> expected(shadow.size(), kShadowSentinel);
  for (size_t i = test.offset; i < expected.size(); ++i) {
    if (test.shadow == DType::kBFloat16) {
      expected[i] = kernels::from_float<kernels::BFloat16>(value[i]).bits;
    } else if (test.shadow == DType::kFloat16) {
      expected[i] = kernels::from_float<kernels::Float16>(value[i]).bits;
    }
  }
  return expected;
}

AdamWOracle::AdamWOracle(const AdamWRun& run)
    : value(run.inside(run.value)),
      exp_avg(value.size()),
      exp_avg_sq(value.size()),
      ema(run.inside(run.ema)) {}

void AdamWOracle::advance(const AdamWRun& run) {
  const kernels::AdamWParams& p = run.params;
  const double lr = run.lr[0] * p.lr_scale;
  const double t = run.step[0];
  const double scale = p.grad_scale == nullptr ? 1.0 : *p.grad_scale;
  for (size_t i = 0; i < value.size(); ++i) {
    const double g = run.params.grad[i] / scale;
    exp_avg[i] = p.beta1 * exp_avg[i] + (1.0 - p.beta1) * g;
    exp_avg_sq[i] = p.beta2 * exp_avg_sq[i] + (1.0 - p.beta2) * g * g;
    const double mean = exp_avg[i] / (1.0 - std::pow(p.beta1, t));
    const double square = exp_avg_sq[i] / (1.0 - std::pow(p.beta2, t));
    value[i] -= lr * p.weight_decay * value[i];
    value[i] -= lr * mean / (std::sqrt(square) + p.eps);
    if (p.ema != nullptr) {
      ema[i] = p.ema_decay * ema[i] + (1.0 - p.ema_decay) * value[i];
    }
  }
}

void check_against_oracle(const AdamWRun& run, const AdamWOracle& oracle) {
  CHECK(max_error(run.inside(run.value), oracle.value) < kLimit);
  CHECK(max_error(run.inside(run.exp_avg), oracle.exp_avg) < kLimit);
  CHECK(max_error(run.inside(run.exp_avg_sq), oracle.exp_avg_sq) < kLimit);
  CHECK(max_error(run.inside(run.ema), oracle.ema) < kLimit);
  CHECK(run.shadow == run.expected_shadow());
  CHECK(run.is_outside_untouched());
}

}  // namespace vim::tests
