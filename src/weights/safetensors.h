// The safetensors file format: an 8-byte little-endian header length, a JSON header, then the
// tensors' bytes without gaps (https://github.com/huggingface/safetensors#format). Reading trusts
// nothing in the file. Free of LibTorch.
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

#include "src/weights/tensor_type.h"

namespace vim::core {
class MappedFile;
}  // namespace vim::core

namespace vim::weights {

/// One stored tensor. [begin, end) counts bytes from the start of the data section.
struct TensorInfo {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// A safetensors file held open for reading. Copies share the mapping. The bytes are those of the
/// file system's cache: a file that somebody shortens in place while it is open ends the process,
/// so files must be replaced by renaming, as write_safetensors does.
class SafetensorsFile {
 public:
  /// Maps the file read-only and checks it completely: header length (at most 100 MB), JSON form
  /// and depth, duplicate names, element types, shape times size against the byte range with
  /// overflow in mind, ranges without gap or overlap up to the end of the file. Throws vim::Error
  /// naming the file, and the tensor where there is one.
  static SafetensorsFile open(const std::filesystem::path& path);

  /// The same for bytes in memory, which the caller keeps alive. `name` stands in errors.
  static SafetensorsFile parse(
      std::span<const std::byte> bytes, std::string_view name = "<memory>");

  /// All tensors in the order of their data.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  /// The tensor of that name, or nullptr.
  const TensorInfo* find(std::string_view name) const;

  /// The bytes of a tensor of this file, little-endian, row-major. Not necessarily aligned for
  /// their element type: copy them with memcpy. Valid while this object or a copy of it lives.
  std::span<const std::byte> data(const TensorInfo& tensor) const;

  /// The texts under "__metadata__".
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The JSON header as stored, padding included.
  std::string_view header_text() const { return header_text_; }

  /// What errors call this file.
  const std::string& name() const { return name_; }

 private:
  SafetensorsFile() = default;

  std::shared_ptr<const core::MappedFile> mapping_;  // empty after parse()
  std::string name_;
  std::string_view header_text_;
  std::span<const std::byte> data_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
};

/// A tensor about to be written; `data` is viewed, not copied.
struct TensorToWrite {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // little-endian, row-major
};

/// Writes the file under a temporary name and renames it. Tensors are stored by falling element
/// size and otherwise in the given order, behind a header of a multiple of 8 bytes, so every tensor
/// is aligned for its type; equal arguments give equal bytes. Throws std::invalid_argument on a
/// duplicate or reserved name or a data size that does not fit the shape, vim::Error if writing
/// fails or a text is not UTF-8.
void write_safetensors(
    const std::filesystem::path& path,
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata);

}  // namespace vim::weights
