// One table of names.
#include "src/weights/torch_types.h"

#include <array>
#include <stdexcept>

namespace vim::weights {
namespace {

struct TypeRow {
  TensorType type;
  std::string_view dtype;
  std::string_view storage;  // empty: none
};

constexpr std::array<TypeRow, 15> kRows = {{
    {TensorType::kF64, "torch.float64", "torch.DoubleStorage"},
    {TensorType::kF32, "torch.float32", "torch.FloatStorage"},
    {TensorType::kF16, "torch.float16", "torch.HalfStorage"},
    {TensorType::kBF16, "torch.bfloat16", "torch.BFloat16Storage"},
    {TensorType::kI64, "torch.int64", "torch.LongStorage"},
    {TensorType::kI32, "torch.int32", "torch.IntStorage"},
    {TensorType::kI16, "torch.int16", "torch.ShortStorage"},
    {TensorType::kI8, "torch.int8", "torch.CharStorage"},
    {TensorType::kU64, "torch.uint64", ""},
    {TensorType::kU32, "torch.uint32", ""},
    {TensorType::kU16, "torch.uint16", ""},
    {TensorType::kU8, "torch.uint8", "torch.ByteStorage"},
    {TensorType::kBool, "torch.bool", "torch.BoolStorage"},
    {TensorType::kF8E4M3, "torch.float8_e4m3fn", ""},
    {TensorType::kF8E5M2, "torch.float8_e5m2", ""},
}};

constexpr std::string_view kOnHost = "torch.";
constexpr std::string_view kOnDevice = "torch.cuda.";

// The class without the package it lives in.
std::string_view class_of(std::string_view name) {
  for (const std::string_view package : {kOnDevice, std::string_view("torch.storage."), kOnHost}) {
    if (name.starts_with(package)) {
      return name.substr(package.size());
    }
  }
  return {};
}

const TypeRow& row_of(TensorType type) {
  for (const TypeRow& row : kRows) {
    if (row.type == type) {
      return row;
    }
  }
  throw std::invalid_argument("torch_types: unknown element type");
}

}  // namespace

std::optional<TensorType> type_of_storage(std::string_view class_name) {
  for (const TypeRow& row : kRows) {
    const bool is_same =
        !row.storage.empty() && class_of(class_name) == row.storage.substr(kOnHost.size());
    if (is_same) {
      return row.type;
    }
  }
  return std::nullopt;
}

bool is_untyped_storage(std::string_view class_name) {
  return class_of(class_name) == "UntypedStorage";
}

bool is_storage_class(std::string_view class_name) {
  const std::string_view name = class_of(class_name);
  return name.ends_with("Storage") && name.find('.') == std::string_view::npos;
}

std::optional<TensorType> type_of_dtype(std::string_view dtype) {
  for (const TypeRow& row : kRows) {
    if (row.dtype == dtype) {
      return row.type;
    }
  }
  return std::nullopt;
}

std::string_view dtype_of(TensorType type) { return row_of(type).dtype; }

std::optional<std::string_view> storage_of(TensorType type) {
  const std::string_view storage = row_of(type).storage;
  return storage.empty() ? std::nullopt : std::optional(storage);
}

}  // namespace vim::weights
