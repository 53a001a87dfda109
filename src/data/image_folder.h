// A folder with one sub-folder of images per class.
#pragma once

#include <filesystem>
#include <memory>

#include "src/data/dataset.h"

namespace vim::data {

/// Opens `<root>/<class>/**/<image>`. Throws vim::Error if the root is missing, has no class
/// folder, or a class has no image.
std::unique_ptr<Dataset> open_image_folder(const std::filesystem::path& root);

}  // namespace vim::data
