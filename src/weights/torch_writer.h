// Writing files that torch.load reads, with weights_only=True too. Free of LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/weights/safetensors.h"

namespace vim::weights {

/// What a file of torch.save is to hold.
struct TorchFileToWrite {
  /// As the official program releases weights, {"model": ..., "model_ema": ..., "epoch": ...}, with
  /// our texts under "metadata"; or the model's dict alone, without the rest.
  enum class Layout { kEntries, kBareDict };

  std::vector<TensorToWrite> model;
  std::vector<TensorToWrite> ema;  // empty: no such entry
  std::optional<int64_t> epoch;
  std::map<std::string, std::string> metadata;  // empty: no such entry
  Layout layout = Layout::kEntries;
};

/// Writes the zip form under a temporary name and renames it; tensors stay in the given order, each
/// with a storage of its own, aligned to 64 bytes. Equal arguments give equal bytes. Throws
/// std::invalid_argument on a duplicate name or a data size that does not fit the shape, vim::Error
/// if writing fails or a name or text is not UTF-8.
void write_torch_file(const std::filesystem::path& path, const TorchFileToWrite& contents);

}  // namespace vim::weights
