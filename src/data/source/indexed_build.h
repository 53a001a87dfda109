// Making the index of a set of images.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/data/source/indexed_set.h"
#include "src/data/source/tar_images.h"

namespace vim::data {

struct BuiltIndex {
  std::string bytes;  // of the index file
  int64_t images = 0;
  int64_t classes = 0;
  uint64_t image_bytes = 0;  // of images in tar files; 0 for image files
  int64_t num_links = 0;     // left out, as in FoundImages
  int64_t num_others = 0;
};

/// Lists and labels all images. Throws vim::Error naming the file, and the byte if a tar file is
/// damaged, if there are no images or their classes are not told.
BuiltIndex build_index(const IndexedSet& set, const ReportProgress& report);

/// The same over tar files that are open; `sources` stand for set.tars, which are not touched, and
/// the index carries no stamps.
BuiltIndex build_tar_index(
    const IndexedSet& set,
    const std::vector<std::unique_ptr<ByteSource>>& sources,
    const ReportProgress& report);

}  // namespace vim::data
