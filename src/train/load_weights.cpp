// Which names a file uses, and the copy.
#include "src/train/load_weights.h"

#include <torch/nn/module.h>

#include <algorithm>
#include <utility>

#include "src/core/error.h"
#include "src/train/stored_tensors.h"
#include "src/weights/checkpoint_file.h"

namespace vim::train {
namespace {

bool has_prefix(const weights::SafetensorsFile& file, const std::string& prefix) {
  const auto& tensors = file.tensors();
  return std::any_of(tensors.begin(), tensors.end(), [&prefix](const weights::TensorInfo& info) {
    return info.name.starts_with(prefix);
  });
}

// The set asked for, or the best there is; the file's names start with it and a dot.
std::string choose_set(const weights::SafetensorsFile& file, const std::string& which) {
  if (which.empty()) {
    return has_prefix(file, "ema.") ? "ema" : "model";
  }
  if (!has_prefix(file, which + ".")) {
    throw Error(file.name() + ": holds no " + which + " weights; drop --which");
  }
  return which;
}

}  // namespace

weights::SafetensorsFile open_weights(const std::filesystem::path& path) {
  auto file = weights::SafetensorsFile::open(path);
  return weights::is_checkpoint(file) ? weights::verify_checkpoint(std::move(file)) : file;
}

std::string load_weights(
    torch::nn::Module& model, const weights::SafetensorsFile& file, const std::string& which) {
  const bool is_plain = !weights::is_checkpoint(file);
  if (is_plain && which == "ema") {
    throw Error(file.name() + ": a plain safetensors file has one set of weights; drop --which");
  }
  const std::string set = is_plain ? "model" : choose_set(file, which);
  const std::string prefix = is_plain ? "" : set + ".";
  NamedTensors wanted;
  for (const auto& item : model.named_parameters()) {
    wanted.emplace_back(prefix + item.key(), item.value());
  }
  for (const auto& item : model.named_buffers()) {
    wanted.emplace_back(prefix + item.key(), item.value());
  }
  copy_stored(file, wanted, prefix);
  return set;
}

}  // namespace vim::train
