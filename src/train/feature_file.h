// Feature maps of many images in one safetensors file.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "src/models/features.h"
#include "src/weights/safetensors_rows.h"

namespace vim::train {

/// One tensor `layer_N` for each layer, (num_images, embed_dim, grid_height, grid_width), float.
/// Metadata: "names", the images as a JSON list in the tensors' order, and "kind" and "last", what
/// stands for a layer and for the last one. No more than a batch is held in memory.
class FeatureFile {
 public:
  /// Throws vim::Error if the file cannot be written, as all members do.
  FeatureFile(
      const std::filesystem::path& path,
      const models::VisionMambaOptions& model,
      const models::FeatureOptions& features,
      const std::vector<std::string>& image_names);

  /// Maps of images first, first + 1, ..., one tensor for each layer, float, contiguous, on the
  /// CPU.
  void write(int64_t first, const std::vector<at::Tensor>& maps);

  /// Puts the file in place; without this there is none.
  void finish() { writer_.finish(); }

 private:
  weights::SafetensorsRowWriter writer_;
};

}  // namespace vim::train
