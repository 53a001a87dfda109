// Options of RandAugment and the strings that describe them. Free of LibTorch.
#pragma once

#include <cstdint>
#include <string>

namespace vim::data {

/// `num_layers` operations an image, each of a severity from 0 to 10.
struct RandAugmentOptions {
  double magnitude = 10.0;
  double magnitude_std = 0.0;  // severity ~ N(magnitude, std); infinite: uniform in [0, magnitude]
  int64_t num_layers = 2;
  bool is_increasing = false;  // whether all operations grow with severity, not most
  bool is_weighted = false;    // geometric operations far more often, each at most once an image
};

/// Reads timm's form: `rand`, then in any order `-mM` (magnitude), `-nN` (layers), `-mstdS`
/// (deviation; inf or above 100: uniform), `-incI` (1: increasing, 0: not), `-w0` (weighted); what
/// is left out keeps the default above. Throws std::invalid_argument naming the part that is wrong,
/// in the form `what is wrong; what to do`.
RandAugmentOptions parse_rand_augment(const std::string& text);

}  // namespace vim::data
