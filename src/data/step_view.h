// Training images as the optimizer step gives them to the model, back in 8 bits to be looked at.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/image/image.h"
#include "src/data/mix.h"
#include "src/data/step_images.h"

namespace vim::data {

struct StepView {
  Image image;
  ImageMix mix;
  int64_t partner = 0;  // index within the batch; the image's own where there is no mixing
};

/// Erases and mixes `pixels`, images.count x height x width x 3 bytes as the loader gives them,
/// with the draws and the arithmetic of training. Values outside [0, 255] are cut off, as those of
/// noise may be. group_size: of mix_group_size(); images that fill no group at the end are left
/// out.
std::vector<StepView> view_step(
    const uint8_t* pixels,
    const Size& size,
    const AugmentOptions& options,
    int64_t group_size,
    const StepImages& images);

}  // namespace vim::data
