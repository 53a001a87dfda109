// From images as they were found to classes, labels and the order of the unpacked image folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/data/source/found_images.h"

namespace vim::data {

/// Class names, sorted, and a class number by image.
struct ImageLabels {
  std::vector<std::string> classes;
  std::vector<uint32_t> labels;
};

/// The labels that names `<class>/.../<image>` tell. Images without a class folder are removed and
/// counted as others.
ImageLabels labels_of_folders(FoundImages& found);

/// Gives the images their labels and sorts them: by class, then folder, then file name, all as
/// bytes. Throws vim::Error, beginning with `where`, if two images have the same name;
/// `source_names` are what they are in.
void arrange_images(
    FoundImages& found,
    const std::vector<uint32_t>& labels,
    const std::vector<std::string>& source_names,
    const std::string& where);

/// Class numbers for names that may repeat: sorted names, and the number of each of `names`.
ImageLabels number_classes(const std::vector<std::string>& names);

}  // namespace vim::data
