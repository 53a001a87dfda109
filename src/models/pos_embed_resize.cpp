// Taking rows apart, resizing the map, and putting them together again.
#include "src/models/pos_embed_resize.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "src/core/error.h"
#include "src/models/cls_slots.h"

namespace vim::models {
namespace {

// The square grid of that many patches, as officially floor(sqrt(patches)) on each side.
Grid square_grid(int64_t num_patches) {
  const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(num_patches)));
  return {side, side};
}

Grid exact_square_grid(int64_t num_patches, const char* remedy) {
  const Grid grid = square_grid(num_patches);
  if (num_patches <= 0 || grid.num_patches() != num_patches) {
    throw Error(
        fmt::format("pos_embed: {} rows of patches are not a square map; {}", num_patches, remedy));
  }
  return grid;
}

int64_t num_cls_tokens(ClsPosition cls_position) {
  return static_cast<int64_t>(cls_slots(cls_position, 0).size());
}

// rows: (1, from.num_patches(), embed_dim) to (1, to.num_patches(), embed_dim). Channels go in
// front by a view alone, as in the official code: another memory layout may round otherwise.
at::Tensor resize_map(const at::Tensor& rows, const Grid& from, const Grid& to) {
  const at::Tensor map = rows.reshape({1, from.height, from.width, -1}).permute({0, 3, 1, 2});
  const at::Tensor resized =
      at::upsample_bicubic2d(map, {to.height, to.width}, /*align_corners=*/false);
  return resized.permute({0, 2, 3, 1}).reshape({1, to.num_patches(), -1});
}

at::Tensor resize_upstream(const at::Tensor& pos_embed, const Grid& to, int64_t num_extra) {
  constexpr const char* kRemedy = "resize it by the method correct";
  const int64_t num_rows = pos_embed.size(1) - num_extra;
  const Grid old_square = exact_square_grid(num_rows, kRemedy);
  const Grid new_square = exact_square_grid(to.num_patches(), kRemedy);
  const at::Tensor map =
      resize_map(pos_embed.narrow(1, num_extra, num_rows), old_square, new_square);
  return at::cat({pos_embed.narrow(1, 0, num_extra), map}, /*dim=*/1);
}

at::Tensor resize_correctly(
    const at::Tensor& pos_embed, const Grid& from, const Grid& to, ClsPosition cls_position) {
  const std::vector<int64_t> slots = cls_slots(cls_position, from.num_patches());
  const at::Tensor map = resize_map(without_slots(pos_embed, slots), from, to);
  if (slots.empty()) {
    return map;
  }
  const at::Tensor cls_rows = pos_embed.index_select(1, at::tensor(slots));
  return with_slots(map, cls_rows, cls_slots(cls_position, to.num_patches()));
}

void check_rows(const at::Tensor& pos_embed, const Grid& from, int64_t num_extra) {
  if (pos_embed.size(1) != from.num_patches() + num_extra) {
    throw Error(fmt::format(
        "pos_embed: {} rows do not fit a grid of {} x {} patches with {} class tokens; name the "
        "grid and class tokens it was made with",
        pos_embed.size(1),
        from.height,
        from.width,
        num_extra));
  }
}

}  // namespace

Grid patch_grid(const VisionMambaOptions& options) {
  return {options.grid_height(), options.grid_width()};
}

at::Tensor resize_pos_embed(
    const at::Tensor& pos_embed,
    const Grid& from,
    const Grid& to,
    ClsPosition cls_position,
    PosEmbedResize method) {
  TORCH_CHECK(
      pos_embed.dim() == 3 && pos_embed.size(0) == 1 && pos_embed.scalar_type() == at::kFloat &&
          pos_embed.device().is_cpu(),
      "resize_pos_embed: pos_embed must be (1, rows, embed_dim), float, on the CPU, got ",
      pos_embed.sizes());
  const at::NoGradGuard no_grad;
  const int64_t num_extra = num_cls_tokens(cls_position);
  if (method == PosEmbedResize::kUpstream) {
    return resize_upstream(pos_embed, to, num_extra);
  }
  check_rows(pos_embed, from, num_extra);
  return from == to ? pos_embed : resize_correctly(pos_embed, from, to, cls_position);
}

at::Tensor fit_pos_embed(
    const at::Tensor& stored,
    const VisionMambaOptions& options,
    PosEmbedResize method,
    const std::optional<Grid>& from) {
  const int64_t num_rows = stored.size(1) - options.num_cls_tokens();
  const Grid grid = from.value_or(square_grid(num_rows));
  if (!from) {
    exact_square_grid(num_rows, "name the grid or use the class tokens it was made with");
  }
  return resize_pos_embed(stored, grid, patch_grid(options), options.cls_position, method);
}

}  // namespace vim::models
