// Which images of a run a draw is for.
#pragma once

#include <cstdint>

namespace vim::data {

/// Images [first_position, first_position + count) of the global batch of an optimizer step.
struct StepImages {
  uint64_t seed = 0;
  uint64_t step = 0;
  int64_t first_position = 0;
  int64_t count = 0;
};

}  // namespace vim::data
