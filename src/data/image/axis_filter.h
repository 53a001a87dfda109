// The filters of resizing along one axis; of use inside this folder only.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/image/resize_rows.h"

namespace vim::data {

/// One axis of a source, resized, of which a range of the result is wanted.
struct Axis {
  int64_t in_size = 0;
  int64_t out_size = 0;
  int64_t begin = 0;  // of the wanted range
  int64_t length = 0;
};

/// Source positions [begin, end).
struct SourceRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The filters of the wanted positions. Their source ranges are ordered.
struct AxisFilter {
  std::vector<TapRange> taps;
  std::vector<WeightPair> weights;  // what the taps point to
};

/// The source position under the centre of each wanted position.
std::vector<int64_t> nearest_positions(const Axis& axis);

/// The source positions that the wanted range is made of.
SourceRange source_range(const Axis& axis, Interpolation interpolation);

/// The taps count from source position `origin` on. Throws std::invalid_argument for kNearest and
/// kRandom, which have no filter.
AxisFilter make_filter(const Axis& axis, Interpolation interpolation, int64_t origin);

}  // namespace vim::data
