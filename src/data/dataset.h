// Labelled images that can be read by number, in any order and from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/image.h"

namespace vim::data {

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

  /// Reads and decodes one image. Throws BadImage if its bytes are no image, vim::Error if they
  /// cannot be read at all.
  virtual Image read(int64_t index) const = 0;
};

/// Opens the images at `path`; `train` chooses the part where one path holds both (CIFAR). Throws
/// vim::Error naming the path if it is missing, empty or of another layout. Deterministic order:
/// classes by name, files by folder and name, as torchvision's ImageFolder has them; CIFAR as
/// stored.
std::unique_ptr<Dataset> open_dataset(DataFormat format, const std::string& path, bool train);

}  // namespace vim::data
