// The images in tar files, named as if everything had been unpacked into one folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/data/source/found_images.h"
#include "src/data/source/tar_source.h"

namespace vim::data {

struct IndexProgress {
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
  int64_t images = 0;
};

/// Called from time to time while images are looked for; may be empty.
using ReportProgress = std::function<void(const IndexProgress&)>;

/// What is inside the tar files.
struct TarLayout {
  std::string inner;         // the folder whose images count; empty: all
  bool are_classes = false;  // each tar file is a class, named as the file without its ending
};

/// The images of one or several tar files, FoundImage::source being the place in `sources`. A
/// member that ends in .tar is walked in place, its images lie in a folder named as it is without
/// the ending. The root is layout.inner; if that is empty, the deepest folder that holds all
/// images. Sets `root` and leaves it out of the names. Throws vim::Error as TarReader does.
FoundImages find_tar_images(
    const std::vector<std::unique_ptr<ByteSource>>& sources,
    const TarLayout& layout,
    std::string& root,
    const ReportProgress& report);

}  // namespace vim::data
