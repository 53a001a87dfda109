// The choice of data set by format.
#include "src/data/dataset.h"

#include <utility>

#include "src/data/cifar.h"
#include "src/data/decode.h"
#include "src/data/image_folder.h"

namespace vim::data {

int64_t Dataset::num_classes() const { return static_cast<int64_t>(class_names().size()); }

StoredImage store_pixels(Image image, std::vector<uint8_t>& buffer) {
  buffer = std::move(image.pixels);
  return {buffer, {image.height, image.width}};
}

Image read_image(const Dataset& dataset, int64_t index) {
  std::vector<uint8_t> buffer;
  const StoredImage stored = dataset.fetch(index, buffer);
  if (stored.pixels == Size{}) {
    return decode_image(stored.bytes);
  }
  return {stored.pixels.height, stored.pixels.width, {stored.bytes.begin(), stored.bytes.end()}};
}

std::unique_ptr<Dataset> open_dataset(DataFormat format, const std::string& path, bool train) {
  return format == DataFormat::kFolder ? open_image_folder(path) : open_cifar(format, path, train);
}

}  // namespace vim::data
