// One table of element types.
#include "src/weights/tensor_type.h"

#include <array>

namespace vim::weights {
namespace {

struct TypeRow {
  TensorType type;
  std::string_view name;
  uint64_t size;
};

// In the order of the enumeration.
constexpr std::array<TypeRow, 15> kTypes = {{
    {TensorType::kF64, "F64", 8},
    {TensorType::kF32, "F32", 4},
    {TensorType::kF16, "F16", 2},
    {TensorType::kBF16, "BF16", 2},
    {TensorType::kI64, "I64", 8},
    {TensorType::kI32, "I32", 4},
    {TensorType::kI16, "I16", 2},
    {TensorType::kI8, "I8", 1},
    {TensorType::kU64, "U64", 8},
    {TensorType::kU32, "U32", 4},
    {TensorType::kU16, "U16", 2},
    {TensorType::kU8, "U8", 1},
    {TensorType::kBool, "BOOL", 1},
    {TensorType::kF8E4M3, "F8_E4M3", 1},
    {TensorType::kF8E5M2, "F8_E5M2", 1},
}};

constexpr bool rows_follow_enumeration() {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (static_cast<size_t>(kTypes[i].type) != i) {
      return false;
    }
  }
  return true;
}
static_assert(rows_follow_enumeration());

}  // namespace

uint64_t type_size(TensorType type) { return kTypes.at(static_cast<size_t>(type)).size; }

std::string_view type_name(TensorType type) { return kTypes.at(static_cast<size_t>(type)).name; }

std::optional<TensorType> type_from_name(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) {
      return row.type;
    }
  }
  return std::nullopt;
}

}  // namespace vim::weights
