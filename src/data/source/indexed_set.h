// A set of image files or tar files that an index can describe.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/data/source/dataset.h"
#include "src/data/source/image_index.h"
#include "src/data/source/imagenet_labels.h"

namespace vim::data {

struct IndexedSet {
  std::string path;                         // as the user wrote it
  std::filesystem::path folder;             // the images' root, or the folder of the tar files
  std::vector<std::filesystem::path> tars;  // empty: image files
  std::string inner;                        // the folder inside the tar files, or ""
  LabelFiles labels;
  std::filesystem::path index;  // where its index lies, if there is one
  bool is_index_named = false;  // by the user

  bool is_folder() const { return tars.empty(); }
};

/// The set at the location, or nothing if tar files are asked for and there are none.
std::optional<IndexedSet> find_tar_set(const DatasetLocation& location);
IndexedSet find_folder_set(const DatasetLocation& location);

/// What an index of the set would be made from, as it is now; `folders`: those that were listed.
/// Throws vim::Error naming a file that is not there.
std::vector<IndexSource> current_sources(
    const IndexedSet& set, const std::vector<std::string>& folders);

/// Whether the index is of this set as it is now.
bool is_current(const IndexedSet& set, const IndexTable& table);

}  // namespace vim::data
