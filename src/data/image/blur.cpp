// Three box filters along x, then three along y, each with an 8-bit result. A box of radius r + a
// (r whole, 0 <= a < 1) weighs 2 r + 1 pixels fully and one more on either side in part, in 24-bit
// fixed point.
#include "src/data/image/blur.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vim::data {
namespace {

constexpr int kNumPasses = 3;
constexpr uint32_t kOne = uint32_t{1} << 24;

struct Box1d {
  int64_t radius = 0;
  uint32_t weight = 0;       // of each of the 2 * radius + 1 pixels
  uint32_t edge_weight = 0;  // of the two beyond them
};

// The box radius whose kNumPasses-fold filter has the wanted deviation. The types of the single
// steps decide the last bit of the weights.
float box_radius(float deviation) {
  const float variance = deviation * deviation / kNumPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const auto whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  return whole + part;
}

Box1d make_box(float radius) {
  Box1d box;
  box.radius = static_cast<int64_t>(radius);
  box.weight = static_cast<uint32_t>(static_cast<float>(kOne) / (radius * 2 + 1));
  box.edge_weight = (kOne - static_cast<uint32_t>(box.radius * 2 + 1) * box.weight) / 2;
  return box;
}

// Filters `count` lines of `length` bytes each that lie side by side: byte number i of every line
// stands at i * stride, line number j at j. Rows are blurred with one pixel's channels as lines,
// columns with a whole row's bytes.
struct Lines {
  int64_t count = 0;
  int64_t length = 0;
};

void blur_lines(
    const uint8_t* in, const Lines& lines, const Box1d& box, uint32_t* sums, uint8_t* out) {
  const int64_t count = lines.count;
  const int64_t last = lines.length - 1;
  const auto line_at = [&](int64_t i) { return in + std::clamp<int64_t>(i, 0, last) * count; };
  std::fill_n(sums, count, 0);
  for (int64_t i = -box.radius - 1; i < box.radius; ++i) {
    const uint8_t* entering = line_at(i);
    for (int64_t j = 0; j < count; ++j) {
      sums[j] += entering[j];
    }
  }
  for (int64_t i = 0; i <= last; ++i, out += count) {
    const uint8_t* leaving = line_at(i - box.radius - 1);  // also the left edge
    const uint8_t* entering = line_at(i + box.radius);
    const uint8_t* right_edge = line_at(i + box.radius + 1);
    for (int64_t j = 0; j < count; ++j) {
      sums[j] += static_cast<uint32_t>(entering[j]) - leaving[j];
      const uint32_t edges = static_cast<uint32_t>(leaving[j]) + right_edge[j];
      out[j] =
          static_cast<uint8_t>((sums[j] * box.weight + edges * box.edge_weight + kOne / 2) >> 24);
    }
  }
}

}  // namespace

void gaussian_blur(const ImageSpan& image, double radius, std::vector<uint8_t>& scratch) {
  const float box_size = box_radius(static_cast<float>(radius));
  if (box_size == 0.0F || image.height == 0 || image.width == 0) {
    return;
  }
  const Box1d box = make_box(box_size);
  const int64_t row_bytes = image.width * 3;
  const auto num_bytes = static_cast<size_t>(image.height * row_bytes);
  std::vector<uint32_t> sums(static_cast<size_t>(row_bytes));
  scratch.resize(std::max(num_bytes, static_cast<size_t>(row_bytes) * 2));
  uint8_t* first = scratch.data();
  uint8_t* second = first + row_bytes;
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* row = image.pixels + y * row_bytes;
    blur_lines(row, {3, image.width}, box, sums.data(), first);
    blur_lines(first, {3, image.width}, box, sums.data(), second);
    blur_lines(second, {3, image.width}, box, sums.data(), row);
  }
  const Lines columns{row_bytes, image.height};
  blur_lines(image.pixels, columns, box, sums.data(), first);
  blur_lines(first, columns, box, sums.data(), image.pixels);
  blur_lines(image.pixels, columns, box, sums.data(), first);
  std::memcpy(image.pixels, first, num_bytes);
}

}  // namespace vim::data
