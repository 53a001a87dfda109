// The choice of data set by format, or by what lies there.
#include "src/data/source/dataset.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "src/core/error.h"
#include "src/data/image/decode.h"
#include "src/data/source/cifar.h"
#include "src/data/source/indexed_dataset.h"
#include "src/data/source/indexed_set.h"

namespace vim::data {

int64_t Dataset::num_classes() const { return static_cast<int64_t>(class_names().size()); }

StoredImage store_pixels(Image image, std::vector<uint8_t>& buffer) {
  buffer = std::move(image.pixels);
  return {buffer, {image.height, image.width}};
}

namespace {

std::unique_ptr<Dataset> open_folder(const DatasetLocation& location) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(location.path, ignored)) {
    throw Error(fmt::format(
        "{}: is a file where a folder of images is expected; for a .tar use data.format: auto, and "
        "unpack a compressed one to .tar",
        location.path));
  }
  return open_indexed(find_folder_set(location));
}

}  // namespace

Image read_image(const Dataset& dataset, int64_t index) {
  std::vector<uint8_t> buffer;
  const StoredImage stored = dataset.fetch(index, buffer);
  if (stored.pixels == Size{}) {
    return decode_image(stored.bytes);
  }
  return {stored.pixels.height, stored.pixels.width, {stored.bytes.begin(), stored.bytes.end()}};
}

DatasetLocation train_location(const DataOptions& options) {
  return {
      options.format,
      options.path,
      /*is_train=*/true,
      options.train_labels,
      options.synsets,
      options.index};
}

DatasetLocation val_location(const DataOptions& options) {
  return {
      options.format,
      options.val_path,
      /*is_train=*/false,
      options.val_labels,
      options.synsets,
      options.val_index};
}

bool dataset_exists(const DatasetLocation& location) {
  std::error_code ignored;
  if (std::filesystem::exists(location.path, ignored)) {
    return true;
  }
  try {
    return find_tar_set(location).has_value();
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<Dataset> open_dataset(const DatasetLocation& location) {
  switch (location.format) {
    case DataFormat::kCifar10:
    case DataFormat::kCifar100:
      return open_cifar(location.format, location.path, location.is_train);
    case DataFormat::kFolder:
      return open_folder(location);
    case DataFormat::kTar:
    case DataFormat::kAuto:
      break;
  }
  if (const auto set = find_tar_set(location)) {
    return open_indexed(*set);
  }
  if (location.format == DataFormat::kTar) {
    throw Error(fmt::format(
        "{}: no tar files there; check the path, or use data.format: auto", location.path));
  }
  if (const auto format = find_cifar(location.path)) {
    return open_cifar(*format, location.path, location.is_train);
  }
  return open_folder(location);
}

}  // namespace vim::data
