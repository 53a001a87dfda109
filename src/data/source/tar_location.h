// Which tar files a path means.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vim::data {

/// What the names of index files end in.
inline constexpr char kIndexEnding[] = ".vimindex";

struct TarLocation {
  std::filesystem::path folder;              // that they lie in
  std::vector<std::filesystem::path> files;  // sorted by name
  std::string inner;                         // the folder inside them that is meant, or ""
  std::filesystem::path index;               // where their index lies unless it is said otherwise
};

/// Understands FILE.tar, FILE.tar:INNER/FOLDER, FOLDER/PATTERN*.tar and a folder that holds *.tar
/// files and no sub-folders. Empty if the path means no tar files. Throws vim::Error naming the
/// path if it does, but they are not there.
std::optional<TarLocation> find_tar_files(const std::string& path);

}  // namespace vim::data
