// The checkpoint container: a safetensors file whose tensors and header carry XXH3-64 checksums.
// Free of LibTorch; what the tensors mean is the trainer's affair.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "src/weights/safetensors.h"

namespace vim::weights {

/// Value of the metadata key "format"; its number rises when older programs could misread the file.
inline constexpr std::string_view kCheckpointFormat = "visionmamba-checkpoint-1";

/// The metadata keys that are the container's own; no caller may set them.
inline constexpr std::array<std::string_view, 3> kCheckpointKeys = {
    "format", "checksums", "header_checksum"};

/// Writes a checkpoint atomically. `metadata` holds the trainer's texts ("config", "state"); added
/// are "format", "checksums" (JSON, tensor name to hexadecimal XXH3-64) and "header_checksum" (of
/// the whole header text with this field's 16 digits zeroed). Equal arguments give equal bytes.
/// Throws std::invalid_argument if `metadata` holds one of the three, otherwise as
/// write_safetensors.
void write_checkpoint(
    const std::filesystem::path& path,
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata);

/// Returns the file after verifying its format and every checksum, which reads it once. Throws
/// vim::Error naming the file, and the tensor if its data are damaged.
SafetensorsFile verify_checkpoint(SafetensorsFile file);

/// Opens a checkpoint and verifies it.
SafetensorsFile read_checkpoint(const std::filesystem::path& path);

/// The same for bytes in memory, which the caller keeps alive.
SafetensorsFile parse_checkpoint(std::span<const std::byte> bytes, std::string_view name);

/// True if the file says that it is one of our checkpoints, of any version; nothing else is
/// verified.
bool is_checkpoint(const SafetensorsFile& file);

/// "step_00012000.safetensors" for step 12000. Requires step >= 0.
std::string checkpoint_name(int64_t step);

/// The step in a name made by checkpoint_name, or -1 for any other name.
int64_t checkpoint_step(const std::filesystem::path& path);

/// The folder's checkpoints, highest step first; other files and unfinished ones are passed over.
/// Empty if there is no such folder. Throws vim::Error if it cannot be read.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& directory);

}  // namespace vim::weights
