// What checking a data set finds out about each image, and about all of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "src/data/image/image_format.h"
#include "src/data/source/dataset.h"

namespace vim::data {

struct ImageFacts {
  Size size;               // of the decoded picture; 0 x 0 if it is bad
  uint64_t num_bytes = 0;  // as stored
  uint64_t hash = 0;       // XXH3-64 of the stored bytes
  ImageFormat format = ImageFormat::kUnknown;
  std::string problem;  // why it cannot be read, in one line without its name; empty: it can

  bool operator==(const ImageFacts&) const = default;
};

/// Fetches the image and decodes all of it. `buffer` is overwritten. Whatever is wrong with the
/// image becomes its problem; throws nothing else than std::bad_alloc.
ImageFacts inspect_image(const Dataset& dataset, int64_t index, std::vector<uint8_t>& buffer);

/// The facts as text, a line for each image, and back. Throws vim::Error for a text that is none.
std::string write_facts(const std::vector<ImageFacts>& facts);
std::vector<ImageFacts> read_facts(std::string_view text);

/// Images of the same stored bytes.
struct DuplicateGroup {
  uint64_t hash = 0;
  bool has_several_labels = false;
  std::vector<int64_t> images;  // by number, ascending
};

/// Images whose shorter side has at least `at_least` pixels, and less than the next entry's.
struct SideCount {
  int64_t at_least = 0;
  int64_t images = 0;
};

struct VerifyReport {
  std::vector<int64_t> bad;                // by number
  std::vector<int64_t> images_of_class;    // by class number
  std::map<ImageFormat, int64_t> formats;  // of all images, bad ones too
  std::vector<SideCount> shorter_sides;
  std::vector<DuplicateGroup> duplicates;  // by their first image; empty files are none
  // Of the images that are not bad, -1 if there is none; the first of several alike.
  int64_t smallest = -1;   // by shorter side
  int64_t largest = -1;    // by pixels
  int64_t elongated = -1;  // by longer / shorter side
};

/// `facts`: of every image, by number.
VerifyReport make_verify_report(const Dataset& dataset, const std::vector<ImageFacts>& facts);

}  // namespace vim::data
