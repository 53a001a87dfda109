// How PyTorch files call element types.
#pragma once

#include <optional>
#include <string_view>

#include "src/weights/tensor_type.h"

namespace vim::weights {

/// The element type of a storage class, "torch.FloatStorage" or "torch.cuda.FloatStorage"; nothing
/// for untyped, complex, quantised and unknown ones.
std::optional<TensorType> type_of_storage(std::string_view class_name);

/// True for the storage classes without an element type, whose sizes count bytes.
bool is_untyped_storage(std::string_view class_name);

/// True for anything that is called like a storage class of PyTorch.
bool is_storage_class(std::string_view class_name);

/// The element type of a dtype, "torch.float32"; nothing where we have none.
std::optional<TensorType> type_of_dtype(std::string_view dtype);

/// "torch.float32" of an element type.
std::string_view dtype_of(TensorType type);

/// "torch.FloatStorage" of an element type, or nothing: the unsigned ones above 8 bits and the
/// 8-bit floating-point ones have no storage class.
std::optional<std::string_view> storage_of(TensorType type);

}  // namespace vim::weights
