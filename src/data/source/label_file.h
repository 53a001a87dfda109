// Right answers for evaluation images from a file beside them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/data/source/class_order.h"
#include "src/data/source/dataset.h"

namespace vim::data {

/// The classes that count as right, by image number. An image without any is left out of the count.
using LabelSets = std::vector<std::vector<int64_t>>;

/// Reads a label file for all images of the data set, in one of two forms:
///   JSON, a list of lists of class numbers, as ImageNet-ReaL's: entry i belongs to the image
///   ILSVRC2012_val_0...(i+1), and where names are others, to the i-th by file name;
///   text, a line `name label[ label...]` for each image, separated by spaces, tabs or commas; the
///   name is the file's, or as much of its path as tells it from others. A label of digits is a
///   class number, any other a class name. Empty lines and those that begin with # are skipped.
/// Throws vim::Error with file and line for a form, name, or class that is wrong, an image that is
/// named twice or not at all.
LabelSets read_label_file(
    const std::filesystem::path& path, const Dataset& dataset, const ModelClasses& model);

}  // namespace vim::data
