#include "src/models/change_grid.h"

#include <ATen/ATen.h>

#include "src/models/vision_mamba.h"

namespace vim::models {

void copy_to_grid(VisionMambaImpl& from, VisionMambaImpl& to, PosEmbedResize method) {
  const at::NoGradGuard no_grad;
  const auto sources = from.named_parameters();
  for (auto& item : to.named_parameters()) {
    const at::Tensor* source = sources.find(item.key());
    TORCH_CHECK(source != nullptr, "copy_to_grid: ", item.key(), " is missing");
    at::Tensor value = *source;
    if (item.key() == "pos_embed") {
      value = fit_pos_embed(value, to.options(), method, patch_grid(from.options()));
    }
    TORCH_CHECK(
        value.sizes() == item.value().sizes(),
        "copy_to_grid: ",
        item.key(),
        " must be ",
        item.value().sizes(),
        ", got ",
        value.sizes());
    item.value().copy_(value);
  }
}

}  // namespace vim::models
