// Each operation is a table of 256 values, or one for each channel.
#include "src/data/image/color_ops.h"

#include <algorithm>
#include <array>

#include "src/data/image/byte_table.h"

namespace vim::data {
namespace {

using Histogram = std::array<int64_t, 256>;

std::array<Histogram, 3> count_values(const ImageSpan& image) {
  std::array<Histogram, 3> counts{};
  const int64_t num_bytes = image.height * image.width * 3;
  for (int64_t i = 0; i < num_bytes; i += 3) {
    ++counts[0][image.pixels[i]];
    ++counts[1][image.pixels[i + 1]];
    ++counts[2][image.pixels[i + 2]];
  }
  return counts;
}

ByteTable identity() {
  return make_table([](int value) { return value; });
}

ByteTable stretching_table(const Histogram& counts) {
  const auto is_used = [](int64_t count) { return count > 0; };
  const auto low = std::find_if(counts.begin(), counts.end(), is_used) - counts.begin();
  const auto high = 255 - (std::find_if(counts.rbegin(), counts.rend(), is_used) - counts.rbegin());
  if (high <= low) {
    return identity();
  }
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = static_cast<double>(-low) * scale;
  return make_table(
      [=](int value) { return static_cast<int64_t>(static_cast<double>(value) * scale + offset); });
}

// A value becomes (pixels below it + step / 2) / step, where `step` is a 255th of all pixels
// without those of the highest value.
ByteTable flattening_table(const Histogram& counts) {
  int64_t total = 0;
  int64_t highest = 0;
  int num_used = 0;
  for (const int64_t count : counts) {
    total += count;
    highest = count > 0 ? count : highest;
    num_used += count > 0 ? 1 : 0;
  }
  const int64_t step = (total - highest) / 255;
  if (num_used <= 1 || step == 0) {
    return identity();
  }
  int64_t below = step / 2;
  return make_table([&](int value) {
    const int64_t mapped = below / step;
    below += counts[static_cast<size_t>(value)];
    return mapped;
  });
}

template <typename F>
void map_channels(const ImageSpan& image, F table_of) {
  const std::array<Histogram, 3> counts = count_values(image);
  apply_tables(image, {table_of(counts[0]), table_of(counts[1]), table_of(counts[2])});
}

}  // namespace

void autocontrast(const ImageSpan& image) { map_channels(image, stretching_table); }

void equalize(const ImageSpan& image) { map_channels(image, flattening_table); }

void invert(const ImageSpan& image) {
  apply_table(image, make_table([](int value) { return 255 - value; }));
}

void posterize(const ImageSpan& image, int bits) {
  const int num_dropped = 8 - std::clamp(bits, 0, 8);
  apply_table(image, make_table([=](int value) { return value >> num_dropped << num_dropped; }));
}

void solarize(const ImageSpan& image, int threshold) {
  const auto inverted = [=](int value) { return value < threshold ? value : 255 - value; };
  apply_table(image, make_table(inverted));
}

void solarize_add(const ImageSpan& image, int amount, int threshold) {
  const auto raised = [=](int value) { return value < threshold ? value + amount : value; };
  apply_table(image, make_table(raised));
}

}  // namespace vim::data
