// The law of the boxes; what the kernel does with them is tested in tests/kernels.
#include "src/data/erase.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/support/catch.h"

namespace vim::data {
namespace {

using kernels::EraseBox;

constexpr int kDraws = 4000;
constexpr std::array<int64_t, 2> kSize = {224, 192};

AugmentOptions always() {
  AugmentOptions options;
  options.erase_prob = 1.0;
  return options;
}

std::vector<EraseBox> draw(const AugmentOptions& options, int position) {
  core::Random random({3, core::RandomStream::kErase, 0, 0, static_cast<uint64_t>(position)});
  return draw_erase_boxes(options, kSize, random);
}

bool is_empty(const EraseBox& box) { return box.y1 <= box.y0 || box.x1 <= box.x0; }

double area(const EraseBox& box) {
  return static_cast<double>((box.y1 - box.y0) * (box.x1 - box.x0)) /
         static_cast<double>(kSize[0] * kSize[1]);
}

double log_ratio(const EraseBox& box) {
  return std::log(static_cast<double>(box.y1 - box.y0) / (box.x1 - box.x0));
}

// Half-widths of five standard errors of a mean.
double five_errors(double variance) { return 5 * std::sqrt(variance / kDraws); }

}  // namespace

TEST_CASE("images are erased as often as erase_prob says, and their boxes lie inside") {
  const AugmentOptions options;  // the official ones
  int num_erased = 0;
  for (int i = 0; i < kDraws; ++i) {
    const EraseBox box = draw(options, i).at(0);
    num_erased += !is_empty(box);
    CHECK((box.y0 >= 0 && box.y1 <= kSize[0] && box.x0 >= 0 && box.x1 <= kSize[1]));
    CHECK((box.y1 - box.y0 < kSize[0] && box.x1 - box.x0 < kSize[1]));
  }
  // Few of the areas and aspects do not fit, so ten tries in a row never fail.
  CHECK(std::abs(num_erased - 0.25 * kDraws) < 5 * std::sqrt(0.25 * 0.75 * kDraws));
}

TEST_CASE("area and log-aspect of small boxes are uniform") {
  AugmentOptions options = always();
  options.erase_area = {0.02, 0.2};  // all aspects from 0.3 to 1 / 0.3 fit: no try is rejected
  double sum_area = 0;
  double sum_ratio = 0;
  double squares_ratio = 0;
  for (int i = 0; i < kDraws; ++i) {
    const EraseBox box = draw(options, i).at(0);
    sum_area += area(box);
    sum_ratio += log_ratio(box);
    squares_ratio += std::pow(log_ratio(box), 2);
    CHECK((area(box) > 0.018 && area(box) < 0.21));  // sides are rounded to pixels
  }
  const double half = std::log(1 / 0.3);  // log-aspect is uniform in [-half, half]
  const double variance = half * half / 3;
  CHECK(std::abs(sum_area / kDraws - 0.11) < five_errors(0.18 * 0.18 / 12));
  CHECK(std::abs(sum_ratio / kDraws) < five_errors(variance));
  CHECK(std::abs(squares_ratio / kDraws - variance) < five_errors(0.8 * variance * variance));
}

TEST_CASE("a box can touch every side of the image") {
  std::array<bool, 4> has_touched = {};
  for (int i = 0; i < kDraws; ++i) {
    const EraseBox box = draw(always(), i).at(0);
    const bool touches[] = {box.y0 == 0, box.x0 == 0, box.y1 == kSize[0], box.x1 == kSize[1]};
    for (size_t side = 0; side < 4; ++side) has_touched[side] |= touches[side];
  }
  CHECK(std::all_of(has_touched.begin(), has_touched.end(), [](bool touched) { return touched; }));
}

TEST_CASE("the number of boxes is uniform up to erase_count, and they share the area") {
  AugmentOptions options = always();
  options.erase_count = 3;
  options.erase_area = {0.29, 0.3};
  options.erase_ratio = 0.9;
  std::array<int, 4> counts = {};
  for (int i = 0; i < kDraws; ++i) {
    const std::vector<EraseBox> boxes = draw(options, i);
    REQUIRE(boxes.size() == 3);
    const auto used = std::count_if(
        boxes.begin(), boxes.end(), [](const EraseBox& box) { return !is_empty(box); });
    ++counts[static_cast<size_t>(used)];
    CHECK(area(boxes[0]) * static_cast<double>(used) == Approx(0.295).margin(0.02));
  }
  CHECK(counts[0] == 0);
  for (size_t used = 1; used <= 3; ++used) {
    CHECK(std::abs(counts[used] - kDraws / 3.0) < 5 * std::sqrt(kDraws * 2.0 / 9));
  }
}

TEST_CASE("boxes are mean-coloured, of one normal colour, or noisy with a key of their own") {
  AugmentOptions options = always();
  const EraseBox noisy = draw(options, 0).at(0);
  CHECK(erase_fill(options) == kernels::EraseFill::kNoise);
  const EraseBox other = draw(options, 1).at(0);
  CHECK((noisy.key[0] != other.key[0] && noisy.key[1] != other.key[1]));
  options.erase_mode = EraseMode::kRand;
  CHECK(erase_fill(options) == kernels::EraseFill::kColour);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const float channel = draw(options, i).at(0).colour[2];
    sum += channel;
    squares += channel * channel;
  }
  CHECK(std::abs(sum / kDraws) < five_errors(1));
  CHECK(std::abs(squares / kDraws - 1) < five_errors(2));
  options.erase_mode = EraseMode::kConst;
  CHECK(erase_fill(options) == kernels::EraseFill::kColour);
  const EraseBox box = draw(options, 0).at(0);
  for (const float channel : box.colour) CHECK(channel == 0.0F);
}

TEST_CASE("an image's boxes do not depend on how the batch is cut, but on seed and step") {
  AugmentOptions options = always();
  options.erase_count = 2;
  const auto bytes_of = [&options](const StepImages& images) {
    const std::vector<EraseBox> boxes = draw_erasing(options, kSize, images);
    const auto* const begin = reinterpret_cast<const char*>(boxes.data());
    return std::string(begin, begin + boxes.size() * sizeof(EraseBox));
  };
  const std::string whole = bytes_of({7, 5, 0, 8});
  CHECK(whole.size() == 8 * 2 * sizeof(EraseBox));
  CHECK(bytes_of({7, 5, 6, 2}) == whole.substr(6 * 2 * sizeof(EraseBox)));
  CHECK(bytes_of({7, 6, 0, 8}) != whole);
  CHECK(bytes_of({8, 5, 0, 8}) != whole);
  options.erase_prob = 0.0;
  CHECK(bytes_of({7, 5, 0, 8}).empty());
}

}  // namespace vim::data
