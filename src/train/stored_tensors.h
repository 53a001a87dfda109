// Named tensors in a safetensors file: strict comparison with what a model wants, and copying.
#pragma once

#include <ATen/core/Tensor.h>

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

/// One line for each wanted tensor that is missing or has another type or shape, and for each
/// tensor of the file whose name starts with `prefix` and is not wanted. Empty: everything fits.
std::vector<std::string> find_mismatches(
    const weights::SafetensorsFile& file, const NamedTensors& wanted, std::string_view prefix);

/// Copies every wanted tensor's bytes from the file. Throws vim::Error with all lines of
/// find_mismatches, before anything is changed.
void copy_stored(
    const weights::SafetensorsFile& file, const NamedTensors& wanted, std::string_view prefix);

}  // namespace vim::train
