// The binary versions of CIFAR-10 and CIFAR-100, held in memory.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "src/data/source/dataset.h"

namespace vim::data {

/// Opens the training or test images in `path` or in its cifar-10-batches-bin / cifar-100-binary,
/// or in the archive cifar-10-binary.tar.gz / cifar-100-binary.tar.gz that `path` is or holds.
/// CIFAR-100 uses the fine labels. Throws vim::Error naming the file that is missing, damaged, of
/// the wrong size, or holds a label out of range.
std::unique_ptr<Dataset> open_cifar(
    DataFormat format, const std::filesystem::path& path, bool train);

/// Which of the two sets lies at `path`, or in its usual sub-folder, if either.
std::optional<DataFormat> find_cifar(const std::filesystem::path& path);

}  // namespace vim::data
