// How far data.decode: fast may be from exact, after resizing, on pictures like photographs.
//
// Scaling by the DCT and by a filter are 30 to 40 dB apart on photographs; 32 are asked for here,
// 6.4 grey values root mean square. Differences of pictures have a sharp peak, so the mean one is
// at most that / sqrt(2), as for a Laplace distribution. They lie at edges, where the overshoot of
// either way is about a tenth of the step (9 % without a filter, 4 % of bicubic): to be off by more
// than 26 a step must be above 200 at least, which one in twenty of random steps is, and a third of
// the pixels at most lies at an edge: 2 % at most. A scale that is one power of two too small loses
// the upper half of the frequencies that the result can hold, which is more.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "src/data/image/decode.h"
#include "src/data/image/resize.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"

namespace vim::data {
namespace {

constexpr int kHeight = 384;
constexpr int kWidth = 512;

// Overlapping discs of any colour and many sizes: edges at all places and angles, and a spectrum
// that falls as that of photographs. Encoded as cameras do, at half resolution in chroma.
std::vector<uint8_t> write_discs(unsigned seed) {
  std::mt19937 generator(seed);
  const auto below = [&](unsigned n) { return static_cast<int>(generator() % n); };
  std::vector<uint8_t> pixels(size_t{kHeight} * kWidth * 3, 128);
  for (int disc = 0; disc < 400; ++disc) {
    const int share = below(100);
    const int radius = 6 + 60 * share * share * share / 1'000'000;
    const int y0 = below(kHeight);
    const int x0 = below(kWidth);
    const uint8_t colour[3] = {
        static_cast<uint8_t>(below(256)),
        static_cast<uint8_t>(below(256)),
        static_cast<uint8_t>(below(256))};
    for (int i = 0; i < kHeight * kWidth; ++i) {
      const int y = i / kWidth - y0;
      const int x = i % kWidth - x0;
      if (y * y + x * x < radius * radius) {
        std::copy_n(colour, 3, pixels.begin() + i * 3);
      }
    }
  }
  test::JpegRecipe recipe{.height = kHeight, .width = kWidth, .quality = 95};
  recipe.h_samp = 2;
  recipe.v_samp = 2;
  return test::write_jpeg(recipe, pixels);
}

// A crop as training makes it.
std::vector<uint8_t> cropped(
    const std::vector<uint8_t>& file, DecodeMode mode, const Box& box, const Size& size) {
  ImageDecoder decoder({mode});
  decoder.open(file);
  const ImagePart part = decoder.decode({box, size});
  std::vector<uint8_t> pixels(static_cast<size_t>(size.height * size.width * 3));
  resize_window(
      view_of(part, to_stored(part, box)),
      Interpolation::kBicubic,
      {size.height, size.width, {0, 0, size.height, size.width}},
      pixels.data());
  return pixels;
}

struct Differences {
  double mean = 0;
  double root_mean_square = 0;
  double share_above_26 = 0;
};

Differences between(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  Differences sums;
  for (size_t i = 0; i < a.size(); ++i) {
    const int difference = std::abs(a[i] - b[i]);
    sums.mean += difference;
    sums.root_mean_square += difference * difference;
    sums.share_above_26 += difference > 26 ? 1 : 0;
  }
  const auto count = static_cast<double>(a.size());
  return {sums.mean / count, std::sqrt(sums.root_mean_square / count), sums.share_above_26 / count};
}

}  // namespace

TEST_CASE("Crops decoded at a half, a quarter and an eighth look like exact ones") {
  const std::vector<uint8_t> file = write_discs(GENERATE(1U, 2U, 3U));
  const int64_t ratio = GENERATE(2, 3, 4, 8);
  const Box box{48, 72, 288, 384};
  const Size size{box.height / ratio, box.width / ratio};
  const Differences off = between(
      cropped(file, DecodeMode::kFast, box, size), cropped(file, DecodeMode::kExact, box, size));
  CAPTURE(ratio, off.mean, off.root_mean_square, off.share_above_26);
  CHECK(off.mean > 0);
  CHECK(off.root_mean_square < 6.4);
  CHECK(off.mean < 6.4 / std::sqrt(2.0));
  CHECK(off.share_above_26 < 0.02);
}

}  // namespace vim::data
