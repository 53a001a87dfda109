// The choice of data set by format.
#include "src/data/dataset.h"

#include "src/data/cifar.h"
#include "src/data/image_folder.h"

namespace vim::data {

int64_t Dataset::num_classes() const { return static_cast<int64_t>(class_names().size()); }

std::unique_ptr<Dataset> open_dataset(DataFormat format, const std::string& path, bool train) {
  return format == DataFormat::kFolder ? open_image_folder(path) : open_cifar(format, path, train);
}

}  // namespace vim::data
