// pos_interp cases: the official way of resizing a position embedding. The files count extra rows
// in front; the model's class tokens give that number.
#include <nlohmann/json.hpp>

#include "src/models/pos_embed_resize.h"
#include "tests/golden_runner/cases.h"

namespace vim::golden {
namespace {

constexpr double kTolerance = 5e-6;

models::ClsPosition position_with(int64_t extra_rows) {
  switch (extra_rows) {
    case 0:
      return models::ClsPosition::kNone;
    case 1:
      return models::ClsPosition::kMiddle;
    default:
      return models::ClsPosition::kDouble;
  }
}

}  // namespace

Checks run_pos_interp(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  Checks checks;
  const auto cases = nlohmann::json::parse(golden.metadata.at("cases"));
  for (const auto& [name, settings] : cases.items()) {
    const auto old_side = settings.at("old_side").get<int64_t>();
    const auto new_side = settings.at("new_side").get<int64_t>();
    const at::Tensor resized = models::resize_pos_embed(
        golden.at(name + "/in"),
        {old_side, old_side},
        {new_side, new_side},
        position_with(settings.at("extra_rows").get<int64_t>()),
        models::PosEmbedResize::kUpstream);
    checks.push_back({name, relative_error(resized, golden.at(name + "/out")), kTolerance});
  }
  return checks;
}

}  // namespace vim::golden
