// A folder with one sub-folder of images per class.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/data/source/found_images.h"

namespace vim::data {

/// What an image folder holds: images by their path below the root, and every folder that was
/// listed, "" being the root, sorted.
struct FolderListing {
  FoundImages found;
  std::vector<std::string> folders;
};

/// Lists `<root>/<class>/**/<image>`. `is_flat`: images without a class folder are wanted too, and
/// a class may be empty. Throws vim::Error if the root is missing, cannot be listed, or has no
/// class folder, or a class has no image.
FolderListing list_image_folder(const std::filesystem::path& root, bool is_flat);

/// XXH3-64 of the sorted names in a folder, hidden ones left out.
uint64_t hash_of_names(const std::filesystem::path& folder);

}  // namespace vim::data
