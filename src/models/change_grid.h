// A model's weights in a model for another patch grid.
#pragma once

#include "src/models/pos_embed_resize.h"

namespace vim::models {

class VisionMambaImpl;

/// Copies the parameters of `from` into `to`, the position embedding resized by `method`. Both on
/// the CPU; their options differ in img_size and stride at most. `to` keeps its own rope tables,
/// which are computed for its grid. Throws c10::Error if a parameter is missing or has another
/// shape, vim::Error as resize_pos_embed.
void copy_to_grid(VisionMambaImpl& from, VisionMambaImpl& to, PosEmbedResize method);

}  // namespace vim::models
