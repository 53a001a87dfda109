// Named tensors in a safetensors file: strict comparison with what a model wants, and copying.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/weights/safetensors.h"

namespace vim::train {

/// Tensors by their name in a file.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The file's name of an element type. Throws c10::Error for types that are not stored.
weights::TensorType stored_type(at::ScalarType type);

/// The elements as a float tensor on the CPU; bytes: little-endian, row-major, of that type. Throws
/// vim::Error, which begins with what() returns, for types that are not floating-point numbers.
at::Tensor float_tensor(
    std::span<const std::byte> bytes,
    weights::TensorType type,
    const std::vector<int64_t>& shape,
    const std::function<std::string()>& what);

/// One line for each wanted tensor that is missing or has another type or shape, and for each
/// tensor of the file whose name starts with `prefix` and is not wanted. Empty: everything fits.
std::vector<std::string> find_mismatches(
    const weights::SafetensorsFile& file, const NamedTensors& wanted, std::string_view prefix);

/// Copies every wanted tensor's bytes from the file. Throws vim::Error with all lines of
/// find_mismatches, before anything is changed.
void copy_stored(
    const weights::SafetensorsFile& file, const NamedTensors& wanted, std::string_view prefix);

}  // namespace vim::train
