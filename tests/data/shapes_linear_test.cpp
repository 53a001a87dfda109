// The shapes set must not be solvable from single pixels: a softmax regression, which sees each
// pixel on its own, stays far from the accuracy that a model of shapes reaches.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "src/data/shapes.h"
#include "tests/support/catch.h"

namespace {

using vim::core::RandomKey;
using vim::core::RandomStream;

constexpr int64_t kClasses = 10;
constexpr int64_t kSize = 32;
constexpr int64_t kPixels = kSize * kSize * 3;

struct Example {
  std::vector<float> pixels;  // in [-0.5, 0.5]
  int64_t label = 0;
};

std::vector<Example> draw_examples(int64_t count, uint64_t seed) {
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    const RandomKey key{seed, RandomStream::kShapes, 0, 0, static_cast<uint64_t>(i)};
    const auto image = vim::data::draw_shape(i % kClasses, kSize, key);
    Example example{{}, i % kClasses};
    for (const uint8_t value : image.pixels) {
      example.pixels.push_back(static_cast<float>(value) / 255.0F - 0.5F);
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

class SoftmaxRegression {
 public:
  std::array<double, kClasses> probabilities(const Example& example) const {
    std::array<double, kClasses> result{};
    double sum = 0.0;
    for (int64_t k = 0; k < kClasses; ++k) {
      const float* row = weights_.data() + k * kPixels;
      float score = 0.0F;
      for (int64_t p = 0; p < kPixels; ++p) {
        score += row[p] * example.pixels[static_cast<size_t>(p)];
      }
      result[static_cast<size_t>(k)] = std::exp(static_cast<double>(score));
      sum += result[static_cast<size_t>(k)];
    }
    for (double& value : result) {
      value /= sum;
    }
    return result;
  }

  // One step of stochastic gradient descent on the cross-entropy of one example.
  void learn(const Example& example, float rate) {
    const auto p = probabilities(example);
    for (int64_t k = 0; k < kClasses; ++k) {
      const double target = k == example.label ? 1.0 : 0.0;
      const auto step = static_cast<float>(target - p[static_cast<size_t>(k)]) * rate;
      float* row = weights_.data() + k * kPixels;
      for (int64_t i = 0; i < kPixels; ++i) {
        row[i] += step * example.pixels[static_cast<size_t>(i)];
      }
    }
  }

  double accuracy(const std::vector<Example>& examples) const {
    const auto is_right = [this](const Example& example) {
      const auto p = probabilities(example);
      return std::max_element(p.begin(), p.end()) - p.begin() == example.label;
    };
    const auto right = std::count_if(examples.begin(), examples.end(), is_right);
    return static_cast<double>(right) / static_cast<double>(examples.size());
  }

 private:
  std::vector<float> weights_ = std::vector<float>(kClasses * kPixels, 0.0F);
};

}  // namespace

TEST_CASE("a softmax regression on the pixels of the shapes stays at or below 40 percent") {
  const auto train = draw_examples(3000, 1);
  const auto test = draw_examples(1000, 2);
  SoftmaxRegression model;
  double best = 0.0;
  for (int epoch = 0; epoch < 5; ++epoch) {
    for (const Example& example : train) {
      model.learn(example, 1e-3F);
    }
    best = std::max(best, model.accuracy(test));
  }
  INFO("best test accuracy " << best << ", on the training images " << model.accuracy(train));
  CHECK(model.accuracy(train) > 0.15);  // it did learn what a linear model can
  CHECK(best <= 0.40);
}
