// Labelled images that can be read by number, in any order and from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/image/image.h"

namespace vim::data {

/// One image as its data set stores it: the bytes of an image file or, where `pixels` is not empty,
/// those of an RGB picture of that size, rows without padding.
struct StoredImage {
  std::span<const uint8_t> bytes;
  Size pixels = {};
};

/// The image as a data set would store it, its pixels in `buffer`.
StoredImage store_pixels(Image image, std::vector<uint8_t>& buffer);

/// A fixed list of images. All members may be called from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t size() const = 0;

  /// Names by class number.
  virtual const std::vector<std::string>& class_names() const = 0;

  int64_t num_classes() const;

  /// Class number of image `index`, 0 <= index < size().
  virtual int64_t label(int64_t index) const = 0;

  /// What to call the image in a message: its path, or its file and place in it.
  virtual std::string name(int64_t index) const = 0;

  /// Fetches one image without decoding it. Its bytes lie in `buffer`, which is overwritten, or in
  /// the data set itself. Throws ReadError naming the file if they cannot be read.
  virtual StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const = 0;
};

/// Fetches and decodes one image, the whole of it. Throws BadImage if its bytes are no image,
/// vim::Error as fetch().
Image read_image(const Dataset& dataset, int64_t index);

/// Where a data set lies and how it is labelled; see docs/data.md, "Sources".
struct DatasetLocation {
  DataFormat format = DataFormat::kAuto;
  std::string path;
  bool is_train = true;      // which part, where one path holds both (CIFAR)
  std::string labels = {};   // label list of images without class folders; empty: folders tell
  std::string synsets = {};  // which class each number of `labels` is; empty: it holds no numbers
  std::string index = {};    // where the index lies; empty: beside the data
};

/// The training images of the options, and the evaluation images.
DatasetLocation train_location(const DataOptions& options);
DatasetLocation val_location(const DataOptions& options);

/// Whether anything is there under the path of the location.
bool dataset_exists(const DatasetLocation& location);

/// Opens a data set. Tar files get an index at first. Throws vim::Error naming the path if it is
/// missing, empty, damaged or of another layout. Deterministic order, the same for an image folder
/// and for tar files of it: classes by name, files by folder and name, as torchvision's ImageFolder
/// has them; CIFAR as stored.
std::unique_ptr<Dataset> open_dataset(const DatasetLocation& location);

}  // namespace vim::data
