// Element types of stored tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vim::weights {

enum class TensorType {
  kF64,
  kF32,
  kF16,
  kBF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kF8E4M3,
  kF8E5M2,
};

/// Bytes of one element.
uint64_t type_size(TensorType type);

/// The name safetensors files use: "F32", "BF16", "BOOL".
std::string_view type_name(TensorType type);

/// The type of that name, or nothing.
std::optional<TensorType> type_from_name(std::string_view name);

}  // namespace vim::weights
