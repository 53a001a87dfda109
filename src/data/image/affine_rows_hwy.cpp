// Affine transforms with Highway: a vector holds one pixel's red, green and blue in double and a
// fourth byte that nobody uses. Along an axis on which a map keeps the pixel centres, the fraction
// is 0 and the filter gives the middle pixel itself, so shears and translations filter one axis.
#include <algorithm>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/data/image/affine_rows_hwy.cpp"
#include "hwy/foreach_target.h"
// Highway wants this after foreach_target.h.
#include "hwy/highway.h"

#include "src/data/image/affine_rows.h"

HWY_BEFORE_NAMESPACE();
namespace vim::data::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<double, 4>;
using IntTag = hn::Rebind<int32_t, Tag>;
using ByteTag = hn::Rebind<uint8_t, Tag>;
using Vector = hn::Vec<Tag>;
using IntVector = hn::Vec<IntTag>;

HWY_INLINE IntVector load_pixel(const uint8_t* pixel) {
  return hn::PromoteTo(IntTag(), hn::LoadU(ByteTag(), pixel));
}

HWY_INLINE Vector to_double(IntVector value) { return hn::PromoteTo(Tag(), value); }

// Between two pixels that are `step` bytes apart.
struct Linear {
  static constexpr int64_t kFirst = 0;  // of the taps, relative to the pixel left of the position
  static constexpr int kNumTaps = 2;

  static HWY_INLINE Vector mix_pixels(const uint8_t* pixel, int64_t step, double fraction) {
    const IntVector a = load_pixel(pixel);
    const IntVector b = load_pixel(pixel + step);
    const Vector rise = hn::Mul(to_double(hn::Sub(b, a)), hn::Set(Tag(), fraction));
    return hn::Add(to_double(a), rise);
  }

  static HWY_INLINE Vector mix(const Vector* v, double fraction) {
    return hn::Add(v[0], hn::Mul(hn::Sub(v[1], v[0]), hn::Set(Tag(), fraction)));
  }
};

// The cubic through v1 at 0 and v2 at 1 with slopes v2 - v0 and v3 - v1.
struct Cubic {
  static constexpr int64_t kFirst = -1;
  static constexpr int kNumTaps = 4;

  static HWY_INLINE Vector evaluate(Vector p1, Vector p2, Vector p3, Vector p4, double fraction) {
    const Vector d = hn::Set(Tag(), fraction);
    const Vector inner = hn::Add(p3, hn::Mul(d, p4));
    return hn::Add(p1, hn::Mul(d, hn::Add(p2, hn::Mul(d, inner))));
  }

  static HWY_INLINE Vector mix_pixels(const uint8_t* pixel, int64_t step, double fraction) {
    const IntVector v0 = load_pixel(pixel);
    const IntVector v1 = load_pixel(pixel + step);
    const IntVector v2 = load_pixel(pixel + 2 * step);
    const IntVector v3 = load_pixel(pixel + 3 * step);
    const IntVector fall = hn::Sub(v0, v1);
    const IntVector rise = hn::Sub(v2, v3);
    return evaluate(
        to_double(v1),
        to_double(hn::Sub(v2, v0)),
        to_double(hn::Add(hn::Add(fall, fall), rise)),
        to_double(hn::Sub(hn::Neg(fall), rise)),
        fraction);
  }

  static HWY_INLINE Vector mix(const Vector* v, double fraction) {
    const Vector fall = hn::Sub(v[0], v[1]);
    return evaluate(
        v[1],
        hn::Sub(v[2], v[0]),
        hn::Sub(hn::Add(hn::Add(fall, fall), v[2]), v[3]),
        hn::Add(hn::Sub(hn::Sub(v[1], v[0]), v[2]), v[3]),
        fraction);
  }
};

// A position on one axis: the pixel whose centre is at or before it, and the way from there in
// pixels.
struct Position {
  int64_t pixel;
  double fraction;
};

HWY_INLINE Position locate(double coordinate) {
  const double from_centre = coordinate - 0.5;
  auto pixel = static_cast<int64_t>(from_centre);
  pixel -= from_centre < static_cast<double>(pixel) ? 1 : 0;
  return {pixel, from_centre - static_cast<double>(pixel)};
}

// Along which axes positions lie between pixel centres.
enum class Axes { kX, kY, kBoth };

// One channel, or several, at a position; only positions along kAxes have fractions.
template <typename Filter, Axes kAxes>
HWY_INLINE Vector
sample(const AffineRows& rows, const uint8_t* pixel, double fraction_x, double fraction_y) {
  const int64_t stride = rows.source_stride;
  if (kAxes == Axes::kX) {
    return Filter::mix_pixels(pixel, 3, fraction_x);
  }
  if (kAxes == Axes::kY) {
    return Filter::mix_pixels(pixel, stride, fraction_y);
  }
  Vector mixed[Filter::kNumTaps];
  for (int tap = 0; tap < Filter::kNumTaps; ++tap) {
    mixed[tap] = Filter::mix_pixels(pixel + tap * stride, 3, fraction_x);
  }
  return Filter::mix(mixed, fraction_y);
}

// Writes a byte for each lane, cut to [0, 255] and to an integer.
HWY_INLINE void store_bytes(Vector value, uint8_t* out) {
  const Tag d;
  const Vector cut = hn::Min(hn::Max(value, hn::Zero(d)), hn::Set(d, 255.0));
  const auto integers = hn::DemoteTo(IntTag(), cut);
  hn::StoreU(hn::DemoteTo(ByteTag(), integers), ByteTag(), out);
}

// Source coordinates along one output row: (column[x] + row_part) + offset.
struct Coordinates {
  const double* column = nullptr;  // of pixel x: map coefficient * (x + 0.5)
  double row_part = 0;
  double offset = 0;

  HWY_INLINE double at(int64_t x) const { return column[x] + row_part + offset; }
};

struct Run {
  int64_t begin = 0;
  int64_t end = 0;
};

// The pixels of a row that come from inside the source. They are neighbours, since coordinates are
// monotone along a row.
HWY_INLINE Run find_inside(const AffineRows& rows, const Coordinates& x, const Coordinates& y) {
  const auto width = static_cast<double>(rows.width);
  const auto height = static_cast<double>(rows.height);
  const auto is_inside = [&](int64_t column) HWY_ATTR {
    const double at_x = x.at(column);
    const double at_y = y.at(column);
    return at_x >= 0.0 && at_x < width && at_y >= 0.0 && at_y < height;
  };
  Run run{0, rows.width};
  while (run.begin < run.end && !is_inside(run.begin)) {
    ++run.begin;
  }
  while (run.end > run.begin && !is_inside(run.end - 1)) {
    --run.end;
  }
  return run;
}

void fill_pixels(const AffineRows& rows, int64_t begin, int64_t end, uint8_t* row) {
  for (int64_t x = begin; x < end; ++x) {
    std::memcpy(row + x * 3, rows.fill.data(), 3);
  }
}

template <typename Filter, Axes kAxes>
HWY_FLATTEN void transform_row(
    const AffineRows& rows,
    int64_t index,
    const Coordinates& x,
    const Coordinates& y,
    uint8_t* row) {
  constexpr int64_t kLanes = hn::MaxLanes(Tag());
  constexpr int64_t kFirstX = kAxes == Axes::kY ? 0 : Filter::kFirst;
  constexpr int64_t kFirstY = kAxes == Axes::kX ? 0 : Filter::kFirst;
  const Run run = find_inside(rows, x, y);
  // Four bytes are written for a pixel; the next one overwrites the last of them.
  for (int64_t column = run.begin; column < run.end; ++column) {
    const Position at_x = kAxes == Axes::kY ? Position{column, 0.0} : locate(x.at(column));
    const Position at_y = kAxes == Axes::kX ? Position{index, 0.0} : locate(y.at(column));
    const uint8_t* pixel =
        rows.source + (at_y.pixel + kFirstY) * rows.source_stride + (at_x.pixel + kFirstX) * 3;
    for (int64_t channel = 0; channel < 4; channel += kLanes) {
      store_bytes(
          sample<Filter, kAxes>(rows, pixel + channel, at_x.fraction, at_y.fraction),
          row + column * 3 + channel);
    }
  }
  fill_pixels(rows, 0, run.begin, row);
  fill_pixels(rows, run.end, rows.width, row);
}

template <typename Filter, Axes kAxes>
void transform_rows(const AffineRows& rows) {
  const auto size = static_cast<size_t>(rows.width);
  std::vector<double> columns(2 * size);
  for (size_t i = 0; i < size; ++i) {
    columns[i] = rows.map[0] * (static_cast<double>(i) + 0.5);
    columns[size + i] = rows.map[3] * (static_cast<double>(i) + 0.5);
  }
  std::vector<uint8_t> row(3 * size + 1);
  for (int64_t y = 0; y < rows.height; ++y) {
    const double centre = static_cast<double>(y) + 0.5;
    const Coordinates from_x{columns.data(), rows.map[1] * centre, rows.map[2]};
    const Coordinates from_y{columns.data() + size, rows.map[4] * centre, rows.map[5]};
    transform_row<Filter, kAxes>(rows, y, from_x, from_y, row.data());
    std::memcpy(rows.out + y * rows.width * 3, row.data(), 3 * size);
  }
}

template <typename Filter>
void transform_image(const AffineRows& rows) {
  const std::array<double, 6>& m = rows.map;
  if (m[3] == 0.0 && m[4] == 1.0 && m[5] == 0.0) {
    transform_rows<Filter, Axes::kX>(rows);
  } else if (m[0] == 1.0 && m[1] == 0.0 && m[2] == 0.0) {
    transform_rows<Filter, Axes::kY>(rows);
  } else {
    transform_rows<Filter, Axes::kBoth>(rows);
  }
}

void bilinear(const AffineRows& rows) { transform_image<Linear>(rows); }

void bicubic(const AffineRows& rows) { transform_image<Cubic>(rows); }

}  // namespace
}  // namespace vim::data::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::data {

HWY_EXPORT(bilinear);
HWY_EXPORT(bicubic);

void affine_rows_bilinear(const AffineRows& rows) { HWY_DYNAMIC_DISPATCH(bilinear)(rows); }

void affine_rows_bicubic(const AffineRows& rows) { HWY_DYNAMIC_DISPATCH(bicubic)(rows); }

}  // namespace vim::data
#endif
