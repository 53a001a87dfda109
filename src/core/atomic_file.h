// Files that are either complete or absent, whatever happens while they are written.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace vim::core {

/// Appends bytes to the file being written.
using WriteBytes = std::function<void(std::span<const std::byte>)>;

/// Writes `path` through `produce`: a temporary name in the same folder, fsync, rename, fsync of
/// the folder. Missing folders are created. Throws vim::Error naming the path and the system's
/// reason; the old file, if any, is then still in place and the temporary one removed.
void write_file_atomically(
    const std::filesystem::path& path, const std::function<void(const WriteBytes&)>& produce);

/// The same for a text at hand.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// True for the temporary names that an interrupted write may leave behind.
bool is_unfinished_file(const std::filesystem::path& path);

}  // namespace vim::core
