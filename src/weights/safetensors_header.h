// The JSON header of a safetensors file, both ways. Internal to this folder.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "src/weights/safetensors.h"

namespace vim::weights {

/// The longest header accepted, as in the reference implementation.
inline constexpr uint64_t kMaxHeaderSize = 100'000'000;

/// The reserved header key that holds texts instead of a tensor.
inline constexpr std::string_view kMetadataKey = "__metadata__";

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of the text
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON and checks its form; byte ranges are the caller's affair. `file_name` stands in
/// errors. Throws vim::Error.
SafetensorsHeader parse_header(std::string_view text, const std::string& file_name);

/// Bytes of a tensor of that type and shape. Throws std::overflow_error above 2^63 - 1, and
/// std::invalid_argument on a negative extent.
uint64_t tensor_bytes(TensorType type, const std::vector<int64_t>& shape);

/// A name from a file as it may stand in a message: control characters replaced, length limited.
std::string printable(std::string_view name);

/// The tensors in the order in which they are stored.
std::vector<TensorToWrite> storage_order(const std::vector<TensorToWrite>& tensors);

/// The header for tensors already in storage order, padded with spaces to a multiple of 8.
/// Throws as write_safetensors; `file_name` stands in errors.
std::string encode_header(
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata,
    const std::string& file_name);

/// The header for tensors that lie as `tensors` says. Throws as write_safetensors; `file_name`
/// stands in errors.
std::string encode_header(
    const std::vector<TensorInfo>& tensors,
    const std::map<std::string, std::string>& metadata,
    const std::string& file_name);

/// The eight bytes in front of a header of that length.
std::array<std::byte, 8> encode_length(uint64_t length);

/// Writes length, header and tensors (in storage order) atomically.
void write_encoded(
    const std::filesystem::path& path,
    const std::string& header,
    const std::vector<TensorToWrite>& tensors);

}  // namespace vim::weights
