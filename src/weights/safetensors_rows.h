// Safetensors files larger than memory: tensors written a few rows at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "src/core/atomic_file.h"
#include "src/weights/safetensors.h"

namespace vim::weights {

/// A tensor to be written row by row; a row is one index of the first dimension.
struct RowTensor {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
};

/// The file is there under its name once it is finished, and not before.
class SafetensorsRowWriter {
 public:
  /// Writes the header. Throws std::invalid_argument on a duplicate or reserved name, a scalar or
  /// differing element sizes, vim::Error if writing fails or a text is not UTF-8.
  SafetensorsRowWriter(
      const std::filesystem::path& path,
      const std::vector<RowTensor>& tensors,
      const std::map<std::string, std::string>& metadata);

  /// Writes whole rows of tensor number `tensor` from `first_row` on; rows may come in any order.
  /// Throws std::invalid_argument if they are not rows of the tensor, vim::Error if writing fails.
  void write_rows(size_t tensor, int64_t first_row, std::span<const std::byte> rows);

  /// Puts the file in place. Rows that were not written are zero. Throws vim::Error.
  void finish();

 private:
  core::AtomicFile file_;
  std::vector<TensorInfo> places_;
  uint64_t data_begin_ = 0;  // of the data section, bytes into the file
};

}  // namespace vim::weights
