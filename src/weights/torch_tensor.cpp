// Checks with overflow in mind, and the gather.
#include "src/weights/torch_tensor.h"

#include <algorithm>
#include <cstring>

namespace vim::weights {
namespace {

constexpr uint64_t kFreeExpansion = 16U << 20U;
constexpr uint64_t kMaxExpansion = 64;

bool multiply(uint64_t a, uint64_t b, uint64_t& product) {
  return !__builtin_mul_overflow(a, b, &product) && product <= INT64_MAX;
}

bool is_negative(int64_t value) { return value < 0; }

bool is_empty(const TorchTensor& tensor) {
  return std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
}

uint64_t num_elements(const TorchTensor& tensor) {
  uint64_t count = 1;
  for (const int64_t extent : tensor.shape) {
    count *= static_cast<uint64_t>(extent);
  }
  return count;
}

// Elements from the first to behind the last one, or nothing if that overflows.
std::optional<uint64_t> reach(const TorchTensor& tensor) {
  uint64_t last = 0;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    uint64_t step = 0;
    const auto extent = static_cast<uint64_t>(tensor.shape[i]);
    if (!multiply(extent - 1, static_cast<uint64_t>(tensor.strides[i]), step)) {
      return std::nullopt;
    }
    last += step;
    if (last > INT64_MAX) {
      return std::nullopt;
    }
  }
  return last + 1;
}

// The bytes that reading takes, against those that the file gives.
std::string find_excess(const TorchTensor& tensor, uint64_t storage_bytes) {
  uint64_t bytes = type_size(tensor.type);
  for (const int64_t extent : tensor.shape) {
    if (!multiply(bytes, static_cast<uint64_t>(extent), bytes)) {
      return "the shape is too large";
    }
  }
  if (bytes > kFreeExpansion && bytes / kMaxExpansion > storage_bytes) {
    return "expands its storage more than " + std::to_string(kMaxExpansion) + " times";
  }
  return "";
}

// Copies the elements of dimensions `dim` and after, the first of them at `from`.
void gather(const TorchTensor& tensor, size_t dim, const std::byte* from, std::byte*& to) {
  const uint64_t size = type_size(tensor.type);
  if (dim == tensor.shape.size()) {
    std::memcpy(to, from, size);
    to += size;
    return;
  }
  const uint64_t step = static_cast<uint64_t>(tensor.strides[dim]) * size;
  for (int64_t i = 0; i < tensor.shape[dim]; ++i) {
    gather(tensor, dim + 1, from + static_cast<uint64_t>(i) * step, to);
  }
}

}  // namespace

std::string find_fault(const TorchTensor& tensor) {
  constexpr size_t kMaxRank = 64;
  if (tensor.shape.size() != tensor.strides.size() || tensor.shape.size() > kMaxRank) {
    return "has " + std::to_string(tensor.shape.size()) + " extents and " +
           std::to_string(tensor.strides.size()) + " strides";
  }
  const bool has_negative =
      std::any_of(tensor.shape.begin(), tensor.shape.end(), is_negative) ||
      std::any_of(tensor.strides.begin(), tensor.strides.end(), is_negative) || tensor.offset < 0;
  if (has_negative) {
    return "has a negative extent, stride or offset";
  }
  if (is_empty(tensor)) {
    return "";
  }
  const TorchStorage& storage = *tensor.storage;
  const uint64_t view_bytes = static_cast<uint64_t>(storage.view_size) * storage.element_size;
  const auto offset = static_cast<uint64_t>(tensor.offset);
  const std::optional<uint64_t> count = reach(tensor);
  const uint64_t room = view_bytes / type_size(tensor.type);
  if (!count || offset > room || *count > room - offset) {
    return "reaches beyond its storage";
  }
  return find_excess(tensor, view_bytes);
}

bool is_contiguous(const TorchTensor& tensor) {
  if (is_empty(tensor)) {
    return true;
  }
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) {
      return false;
    }
    expected *= tensor.shape[i];
  }
  return true;
}

TensorBytes row_major(const TorchTensor& tensor, std::span<const std::byte> storage) {
  if (is_empty(tensor)) {
    return TensorBytes(std::span<const std::byte>());
  }
  const uint64_t size = type_size(tensor.type);
  const uint64_t begin =
      static_cast<uint64_t>(tensor.storage->view_begin) * tensor.storage->element_size +
      static_cast<uint64_t>(tensor.offset) * size;
  const uint64_t bytes = num_elements(tensor) * size;
  if (is_contiguous(tensor)) {
    return TensorBytes(storage.subspan(begin, bytes));
  }
  std::vector<std::byte> owned(bytes);
  std::byte* to = owned.data();
  gather(tensor, 0, storage.data() + begin, to);
  return TensorBytes(std::move(owned));
}

}  // namespace vim::weights
