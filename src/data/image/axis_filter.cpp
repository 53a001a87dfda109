// The arithmetic, including the order of the double operations that make the weights, follows
// Pillow's published definition; results are equal, not just close.
#include "src/data/image/axis_filter.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <stdexcept>

namespace vim::data {
namespace {

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) {
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  }
  return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

double triangle(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double sinc(double x) {
  const double angle = x * std::numbers::pi;
  return x == 0.0 ? 1.0 : std::sin(angle) / angle;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

// A filter and how far from 0 it reaches.
struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::kBilinear:
      return {triangle, 1.0};
    case Interpolation::kBicubic:
      return {bicubic, 2.0};
    case Interpolation::kLanczos:
      return {lanczos, 3.0};
    case Interpolation::kNearest:
    case Interpolation::kRandom:
      break;
  }
  throw std::invalid_argument("resize: this interpolation has no filter; draw kRandom's first");
}

// A kernel widened to an axis.
class AxisKernel {
 public:
  AxisKernel(const Axis& axis, Interpolation interpolation)
      : kernel_(kernel_of(interpolation)),
        in_size_(axis.in_size),
        is_identity_(axis.in_size == axis.out_size),
        scale_(static_cast<double>(axis.in_size) / static_cast<double>(axis.out_size)),
        support_(kernel_.support * std::max(scale_, 1.0)),
        inverse_(1.0 / std::max(scale_, 1.0)) {}

  int64_t max_taps() const { return static_cast<int64_t>(std::ceil(support_)) * 2 + 1; }

  double centre(int64_t position) const { return (static_cast<double>(position) + 0.5) * scale_; }

  SourceRange range(int64_t position) const {
    if (is_identity_) {
      return {position, position + 1};
    }
    const double middle = centre(position);
    return {
        std::max<int64_t>(static_cast<int64_t>(middle - support_ + 0.5), 0),
        std::min(static_cast<int64_t>(middle + support_ + 0.5), in_size_)};
  }

  double weight(int64_t source, int64_t position) const {
    return kernel_.weight((static_cast<double>(source) - centre(position) + 0.5) * inverse_);
  }

 private:
  Kernel kernel_;
  int64_t in_size_;
  bool is_identity_;  // one tap of weight 1
  double scale_;
  double support_;
  double inverse_;
};

// Normalises to sum 1, rounds half away from zero to kWeightBits fractional bits and cuts into
// halves, of which the first is number `first` of the pairs.
void quantise(std::span<const double> exact, int64_t first, WeightPair* pairs) {
  double sum = 0.0;
  for (const double weight : exact) {
    sum += weight;
  }
  for (const double weight : exact) {
    const double scaled = (sum != 0.0 ? weight / sum : weight) * (1 << kWeightBits);
    const auto whole = static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    WeightPair& pair = pairs[first / 2];
    pair.low[first % 2] = static_cast<int16_t>(whole & 0xFFFF);
    pair.high[first % 2] = static_cast<int16_t>((whole - pair.low[first % 2]) >> 16);
    ++first;
  }
}

}  // namespace

// Pillow adds up steps, which rounds otherwise than a product.
std::vector<int64_t> nearest_positions(const Axis& axis) {
  const double step = static_cast<double>(axis.in_size) / static_cast<double>(axis.out_size);
  double position = step * 0.5;
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < axis.begin + axis.length; ++i, position += step) {
    if (i >= axis.begin) {
      positions.push_back(std::min(static_cast<int64_t>(position), axis.in_size - 1));
    }
  }
  return positions;
}

SourceRange source_range(const Axis& axis, Interpolation interpolation) {
  if (interpolation == Interpolation::kNearest) {
    const std::vector<int64_t> positions = nearest_positions(axis);
    return {positions.front(), positions.back() + 1};
  }
  const AxisKernel kernel(axis, interpolation);
  return {kernel.range(axis.begin).begin, kernel.range(axis.begin + axis.length - 1).end};
}

AxisFilter make_filter(const Axis& axis, Interpolation interpolation, int64_t origin) {
  const AxisKernel kernel(axis, interpolation);
  const int64_t max_pairs = kernel.max_taps() / 2 + 1;
  AxisFilter filter;
  filter.taps.reserve(static_cast<size_t>(axis.length));
  filter.weights.resize(static_cast<size_t>(max_pairs * axis.length));
  std::vector<double> exact;
  for (int64_t i = 0; i < axis.length; ++i) {
    const int64_t position = axis.begin + i;
    const SourceRange range = kernel.range(position);
    exact.clear();
    for (int64_t source = range.begin; source < range.end; ++source) {
      exact.push_back(kernel.weight(source, position));
    }
    const int64_t first = range.begin - origin;
    const int64_t num_pairs = (first % 2 + range.end - range.begin + 1) / 2;
    WeightPair* const weights = &filter.weights[static_cast<size_t>(i * max_pairs)];
    quantise(exact, first % 2, weights);
    filter.taps.push_back({first / 2, num_pairs, weights});
  }
  return filter;
}

}  // namespace vim::data
