// Tensors as PyTorch files describe them: a strided view of a storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/weights/tensor_type.h"

namespace vim::weights {

/// Bytes that several tensors may share, as a file names them.
struct TorchStorage {
  std::string key;
  std::string class_name;          // "torch.FloatStorage"
  std::optional<TensorType> type;  // none for untyped, complex and quantised storages
  uint64_t element_size = 1;       // 1 where there is no type
  int64_t num_elements = 0;        // of the whole storage
  // The part that tensors see; other than the whole only in files of old versions.
  int64_t view_begin = 0;
  int64_t view_size = 0;
};

/// A view of a storage; offset and strides count elements.
struct TorchTensor {
  TensorType type = TensorType::kF32;
  std::shared_ptr<const TorchStorage> storage;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

/// Bytes of a tensor: a view of a file, or a buffer of its own. Move-only, so that the view stays
/// right.
class TensorBytes {
 public:
  explicit TensorBytes(std::span<const std::byte> view) : view_(view) {}
  explicit TensorBytes(std::vector<std::byte> owned) : owned_(std::move(owned)), view_(owned_) {}
  TensorBytes(TensorBytes&&) noexcept = default;
  TensorBytes& operator=(TensorBytes&&) noexcept = default;

  std::span<const std::byte> view() const { return view_; }
  operator std::span<const std::byte>() const { return view_; }  // NOLINT: a view is what it is

 private:
  std::vector<std::byte> owned_;
  std::span<const std::byte> view_;
};

/// What is wrong with the tensor, or "": extents, strides and offset must not be negative, every
/// element must lie inside the storage, and an expanded tensor may not take more than 64 times its
/// storage's bytes and 16 MiB.
std::string find_fault(const TorchTensor& tensor);

/// True if the elements stand in row-major order without gaps.
bool is_contiguous(const TorchTensor& tensor);

/// The tensor's elements in row-major order, from the bytes of its whole storage: a view where it
/// is contiguous, else a copy. The tensor must be without fault and the storage of its full size.
TensorBytes row_major(const TorchTensor& tensor, std::span<const std::byte> storage);

}  // namespace vim::weights
