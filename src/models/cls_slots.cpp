#include "src/models/cls_slots.h"

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

}  // namespace vim::models
