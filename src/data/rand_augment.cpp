// Draws of operations and amounts.
#include "src/data/rand_augment.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vim::data {
namespace {

constexpr double kApplyProb = 0.5;
constexpr double kMaxLevel = 10.0;

struct Candidate {
  OpKind kind;
  double weight;  // timm's set 0
};

constexpr std::array<Candidate, 15> kCandidates = {{
    {OpKind::kAutocontrast, 0.025},
    {OpKind::kEqualize, 0.005},
    {OpKind::kInvert, 0.0},
    {OpKind::kRotate, 0.3},
    {OpKind::kPosterize, 0.0},
    {OpKind::kSolarize, 0.005},
    {OpKind::kSolarizeAdd, 0.005},
    {OpKind::kColor, 0.025},
    {OpKind::kContrast, 0.005},
    {OpKind::kBrightness, 0.005},
    {OpKind::kSharpness, 0.025},
    {OpKind::kShearX, 0.2},
    {OpKind::kShearY, 0.2},
    {OpKind::kTranslateX, 0.1},
    {OpKind::kTranslateY, 0.1},
}};

using Weights = std::array<double, kCandidates.size()>;

Weights initial_weights(bool is_weighted) {
  Weights weights{};
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = is_weighted ? kCandidates[i].weight : 1.0;
  }
  return weights;
}

// An index with probability proportional to its weight; some weight is positive.
size_t draw_index(const Weights& weights, core::Random& random) {
  double total = 0;
  size_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    total += weights[i];
    last = weights[i] > 0 ? i : last;
  }
  double rest = random.uniform(0.0, total);
  for (size_t i = 0; i < last; ++i) {
    if (rest < weights[i]) {
      return i;
    }
    rest -= weights[i];
  }
  return last;
}

double draw_magnitude(const RandAugmentOptions& options, core::Random& random) {
  double magnitude = options.magnitude;
  if (std::isinf(options.magnitude_std)) {
    magnitude = random.uniform(0.0, magnitude);
  } else if (options.magnitude_std > 0) {
    magnitude += options.magnitude_std * random.normal();
  }
  return std::clamp(magnitude, 0.0, kMaxLevel);
}

double either_sign(double value, core::Random& random) {
  return random.uniform(0.0, 1.0) > 0.5 ? -value : value;
}

double draw_amount(OpKind kind, double severity, bool is_increasing, core::Random& random) {
  switch (kind) {
    case OpKind::kRotate:
      return either_sign(severity * 30.0, random);
    case OpKind::kPosterize: {
      const double bits = std::trunc(severity * 4.0);
      return is_increasing ? 4.0 - bits : bits;
    }
    case OpKind::kSolarize: {
      const double threshold = std::trunc(severity * 256.0);
      return is_increasing ? 256.0 - threshold : threshold;
    }
    case OpKind::kSolarizeAdd:
      return std::trunc(severity * 110.0);
    case OpKind::kColor:
    case OpKind::kContrast:
    case OpKind::kBrightness:
    case OpKind::kSharpness:
      return is_increasing ? 1.0 + either_sign(severity * 0.9, random) : severity * 1.8 + 0.1;
    case OpKind::kShearX:
    case OpKind::kShearY:
      return either_sign(severity * 0.3, random);
    case OpKind::kTranslateX:
    case OpKind::kTranslateY:
      return either_sign(severity * 0.45, random);
    default:
      return 0.0;
  }
}

}  // namespace

std::vector<ImageOp> draw_rand_augment(const RandAugmentOptions& options, core::Random& random) {
  Weights weights = initial_weights(options.is_weighted);
  std::vector<ImageOp> ops;
  ops.reserve(static_cast<size_t>(options.num_layers));
  for (int64_t layer = 0; layer < options.num_layers; ++layer) {
    const size_t index = draw_index(weights, random);
    weights[index] = options.is_weighted ? 0.0 : weights[index];
    if (random.uniform(0.0, 1.0) > kApplyProb) {
      continue;
    }
    const OpKind kind = kCandidates[index].kind;
    const double severity = draw_magnitude(options, random) / kMaxLevel;
    ops.push_back({kind, draw_amount(kind, severity, options.is_increasing, random)});
  }
  return ops;
}

}  // namespace vim::data
