// Slices and concatenation alone: a CUDA graph may capture them.
#include "src/models/cls_slots.h"

#include <ATen/ATen.h>

namespace vim::models {

std::vector<int64_t> cls_slots(ClsPosition position, int64_t num_patches) {
  switch (position) {
    case ClsPosition::kNone:
      return {};
    case ClsPosition::kHead:
      return {0};
    case ClsPosition::kDouble:
      return {0, num_patches + 1};
    case ClsPosition::kMiddle:
    case ClsPosition::kRandom:
      break;
  }
  return {num_patches / 2};
}

at::Tensor without_slots(const at::Tensor& tokens, const std::vector<int64_t>& slots) {
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (const int64_t slot : slots) {
    parts.push_back(tokens.narrow(1, begin, slot - begin));
    begin = slot + 1;
  }
  parts.push_back(tokens.narrow(1, begin, tokens.size(1) - begin));
  return at::cat(parts, /*dim=*/1);
}

at::Tensor with_slots(
    const at::Tensor& patches, const at::Tensor& tokens, const std::vector<int64_t>& slots) {
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    const int64_t end = slots[i] - static_cast<int64_t>(i);  // patches in front of the slot
    parts.push_back(patches.narrow(1, begin, end - begin));
    parts.push_back(tokens.narrow(1, static_cast<int64_t>(i), 1));
    begin = end;
  }
  parts.push_back(patches.narrow(1, begin, patches.size(1) - begin));
  return at::cat(parts, /*dim=*/1);
}

}  // namespace vim::models
