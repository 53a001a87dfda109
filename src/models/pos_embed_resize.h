// A learned position embedding for another patch grid than the one it was trained on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Patches per column and per row.
struct Grid {
  int64_t height = 0;
  int64_t width = 0;

  int64_t num_patches() const { return height * width; }
  bool operator==(const Grid&) const = default;
};

Grid patch_grid(const VisionMambaOptions& options);

/// Returns the rows for the grid `to` of a position embedding that was made for the grid `from`.
/// pos_embed: (1, from.num_patches() + class tokens, embed_dim), float, in sequence order. Bicubic
/// with a = -0.75, half-pixel centres and no antialiasing, in float: what PyTorch's interpolate
/// computes, bit for bit. kCorrect returns equal grids' rows as they are; kUpstream resizes them
/// too, and goes by the number of rows and patches alone: both grids are the squares of that size.
/// Throws vim::Error if the rows are not the grid's or, with kUpstream, no square's.
at::Tensor resize_pos_embed(
    const at::Tensor& pos_embed,
    const Grid& from,
    const Grid& to,
    ClsPosition cls_position,
    PosEmbedResize method);

/// Returns `stored`, a position embedding with the options' class tokens and any number of patches,
/// for the options' grid. `from` is the grid it was made for; without it, a square one. Throws
/// vim::Error as resize_pos_embed, and if no square grid has that many patches.
at::Tensor fit_pos_embed(
    const at::Tensor& stored,
    const VisionMambaOptions& options,
    PosEmbedResize method,
    const std::optional<Grid>& from = std::nullopt);

}  // namespace vim::models
