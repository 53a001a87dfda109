// Files of torch.save (.pth, .pt), read without running anything that they name. Reading trusts
// nothing in the file. Free of LibTorch.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "src/weights/pickle_value.h"
#include "src/weights/torch_tensor.h"

namespace vim::weights {

/// A file of torch.save held open for reading. Copies share the mapping. As with SafetensorsFile,
/// files must be replaced by renaming while they are open.
class TorchFile {
 public:
  /// Maps the file read-only and reads the object in it; storages are only checked to be there in
  /// full size. Both forms are known, zip and the one before PyTorch 1.6. Throws vim::Error naming
  /// the file.
  static TorchFile open(const std::filesystem::path& path);

  /// The same for bytes in memory, which the caller keeps alive. `name` stands in errors.
  static TorchFile parse(std::span<const std::byte> bytes, std::string_view name = "<memory>");

  /// True for the zip form.
  bool is_zip() const;

  /// The object, usually a dict. Lives as long as this file or a copy of it.
  const PickleValue& root() const;

  /// A tensor of this file in row-major order: a view of the file where it is stored so, else a
  /// copy. In the zip form the CRC-32 of its storage is verified the first time. Throws vim::Error
  /// where that fails, std::invalid_argument for a tensor of another file.
  TensorBytes read(const TorchTensor& tensor) const;

  /// What errors call this file.
  const std::string& name() const;

 private:
  struct Contents;

  explicit TorchFile(std::shared_ptr<const Contents> contents);

  std::shared_ptr<const Contents> contents_;
};

}  // namespace vim::weights
