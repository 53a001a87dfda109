#include "src/train/feature_file.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <span>

namespace vim::train {
namespace {

std::vector<weights::RowTensor> describe_tensors(
    const models::VisionMambaOptions& model,
    const models::FeatureOptions& features,
    int64_t num_images) {
  std::vector<weights::RowTensor> tensors;
  for (const int64_t layer : features.layers) {
    tensors.push_back(
        {"layer_" + std::to_string(layer),
         weights::TensorType::kF32,
         {num_images, model.mixer.embed_dim, model.grid_height(), model.grid_width()}});
  }
  return tensors;
}

const char* word_of(models::LastFeature last) {
  switch (last) {
    case models::LastFeature::kHidden:
      return "hidden";
    case models::LastFeature::kAdd:
      return "add";
    case models::LastFeature::kNorm:
      return "norm";
  }
  TORCH_INTERNAL_ASSERT(false, "unknown last feature");
}

std::map<std::string, std::string> describe_features(
    const models::FeatureOptions& features, const std::vector<std::string>& image_names) {
  // File names need not be UTF-8.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  const bool is_hidden = features.kind == models::FeatureKind::kHidden;
  return {
      {"names", nlohmann::json(image_names).dump(-1, ' ', false, kReplace)},
      {"kind", is_hidden ? "hidden" : "residual"},
      {"last", word_of(models::last_feature(features))}};
}

}  // namespace

FeatureFile::FeatureFile(
    const std::filesystem::path& path,
    const models::VisionMambaOptions& model,
    const models::FeatureOptions& features,
    const std::vector<std::string>& image_names)
    : writer_(
          path,
          describe_tensors(model, features, static_cast<int64_t>(image_names.size())),
          describe_features(features, image_names)) {}

void FeatureFile::write(int64_t first, const std::vector<at::Tensor>& maps) {
  for (size_t i = 0; i < maps.size(); ++i) {
    TORCH_CHECK(
        maps[i].is_contiguous() && maps[i].scalar_type() == at::kFloat && maps[i].is_cpu(),
        "FeatureFile: maps must be float, contiguous and on the CPU");
    const std::span values(maps[i].const_data_ptr<float>(), static_cast<size_t>(maps[i].numel()));
    writer_.write_rows(i, first, std::as_bytes(values));
  }
}

}  // namespace vim::train
