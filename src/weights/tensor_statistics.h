// What a tensor's numbers look like, to look at weights without running a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/weights/tensor_type.h"

namespace vim::weights {

/// Over the finite elements, in double precision; 0 where there is none. `std` is the population's.
struct TensorStatistics {
  double min = 0.0;
  double max = 0.0;
  double mean = 0.0;
  double std = 0.0;
  int64_t num_elements = 0;
  int64_t num_nan = 0;
  int64_t num_inf = 0;
};

/// Statistics of little-endian elements; truth values count as 0 and 1. Deterministic. Throws
/// std::invalid_argument if the bytes are no whole number of elements.
TensorStatistics statistics_of(TensorType type, std::span<const std::byte> bytes);

}  // namespace vim::weights
