// Any file that holds weights, behind one door: our checkpoints, plain safetensors, and files of
// torch.save. The form is recognised by content, never by suffix. Free of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/weights/torch_tensor.h"

namespace vim::weights {

class SafetensorsFile;
class TorchFile;

/// One tensor of a set, under its name in the model.
struct WeightTensor {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
};

/// A weight file held open for reading. Copies share it.
class WeightFile {
 public:
  enum class Format { kSafetensors, kCheckpoint, kTorchZip, kTorchLegacy };

  /// Opens and checks the file; of a checkpoint of ours every checksum. Throws vim::Error naming
  /// the file, and the key where an entry is not what it must be.
  static WeightFile open(const std::filesystem::path& path);

  /// The same for bytes in memory, which the caller keeps alive. `name` stands in errors.
  static WeightFile parse(std::span<const std::byte> bytes, std::string_view name = "<memory>");

  Format format() const;

  /// What errors call this file.
  const std::string& name() const;

  /// The sets of weights in it, "model" before "ema". Ours: by the names' prefix. Safetensors:
  /// "model", or both where every name begins with "model." or "ema.". Of torch.save: the entries
  /// `model` and `model_ema` of the official program, those of other programs (`state_dict`,
  /// `module`, `net`, ...), or a bare dict of tensors as "model".
  std::vector<std::string> sets() const;

  /// The tensors of a set in stored order. Throws vim::Error if the file has no such set.
  const std::vector<WeightTensor>& tensors(const std::string& set) const;

  /// The tensor of that name, or nullptr. Throws as tensors().
  const WeightTensor* find(const std::string& set, std::string_view name) const;

  /// What was cut from the front of every name of the set because all of them began with it:
  /// "module.", "_orig_mod.", "model." or several of these; usually "".
  const std::string& stripped_prefix(const std::string& set) const;

  /// The elements, little-endian and row-major; a view into the file where it stores them so, valid
  /// while this object or a copy of it lives. The tensor must come from tensors(set).
  TensorBytes read(const std::string& set, const WeightTensor& tensor) const;

  /// The texts of a safetensors file or checkpoint, or under "metadata" in a file of torch.save.
  const std::map<std::string, std::string>& metadata() const;

  /// The file underneath; nullptr where it is of the other kind.
  const TorchFile* torch() const;
  const SafetensorsFile* safetensors() const;

 private:
  struct Contents;

  explicit WeightFile(std::shared_ptr<const Contents> contents);

  std::shared_ptr<const Contents> contents_;
};

/// "safetensors", "checkpoint", "torch.save (zip)" or "torch.save (legacy)".
std::string_view format_name(WeightFile::Format format);

}  // namespace vim::weights
