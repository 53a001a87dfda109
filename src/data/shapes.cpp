// The shapes set on disk. A marker file says which options made the folder and whether it is
// complete; it is written first as unfinished and last as complete, so an interrupted run is
// recognised and redone.
#include "src/data/shapes.h"

#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/data/image/opencv_formats.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

constexpr int kJpegQuality = 95;
constexpr const char* kMarkerName = "shapes.txt";
constexpr std::string_view kUnfinished = "unfinished\n";
constexpr std::array<const char*, 2> kParts = {"train", "test"};

std::string describe(const ShapesOptions& options) {
  return fmt::format(
      "generated shapes\nsize {}\ntrain per class {}\ntest per class {}\nseed {}\n",
      options.size,
      options.train_per_class,
      options.test_per_class,
      options.seed);
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void check_options(const ShapesOptions& options) {
  constexpr int64_t kMaxPerClass = 100000;  // five digits in the file name
  const auto is_count = [](int64_t count) { return count >= 1 && count <= kMaxPerClass; };
  if (options.size < 16 || options.size > 512) {
    throw Error(fmt::format("make-shapes: size {} is not within 16 and 512", options.size));
  }
  if (!is_count(options.train_per_class) || !is_count(options.test_per_class)) {
    throw Error(fmt::format("make-shapes: 1 to {} images per class are possible", kMaxPerClass));
  }
}

// True if the complete set is there; false if it is to be made. Removes what an interrupted run
// left.
bool is_made(const fs::path& dir, const std::string& description) {
  if (!fs::exists(dir) || fs::is_empty(dir)) {
    return false;
  }
  const fs::path marker = dir / kMarkerName;
  if (!fs::is_regular_file(marker)) {
    throw Error(fmt::format(
        "{}: exists and was not made by make-shapes; choose another folder or remove it",
        dir.string()));
  }
  const std::string found = read_text(marker);
  if (found == description) {
    return true;
  }
  if (found != kUnfinished) {
    throw Error(fmt::format(
        "{}: holds shapes made with other options (see {}); choose another folder or remove it",
        dir.string(),
        kMarkerName));
  }
  for (const char* part : kParts) {
    fs::remove_all(dir / part);
  }
  return false;
}

void write_file(const fs::path& path, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(
      reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) {
    throw Error(
        fmt::format("{}: cannot be written; check permissions and free space", path.string()));
  }
}

// `part` keys the draws, so that training and test images never share one.
void write_part(const fs::path& dir, size_t part, int64_t per_class, const ShapesOptions& options) {
  const std::vector<std::string>& names = shape_names();
  for (size_t class_index = 0; class_index < names.size(); ++class_index) {
    const fs::path folder = dir / kParts[part] / names[class_index];
    fs::create_directories(folder);
    for (int64_t i = 0; i < per_class; ++i) {
      const core::RandomKey key{
          options.seed,
          core::RandomStream::kShapes,
          part,
          static_cast<uint32_t>(class_index),
          static_cast<uint64_t>(i)};
      const Image image = draw_shape(static_cast<int64_t>(class_index), options.size, key);
      write_file(folder / fmt::format("{:05}.jpg", i), encode_jpeg(image, kJpegQuality));
    }
  }
}

}  // namespace

const std::vector<std::string>& shape_names() {
  // Sorted, so that class numbers are those of the image folder made from them.
  static const std::vector<std::string> names = {
      "arrow",
      "bar",
      "circle",
      "crescent",
      "cross",
      "hourglass",
      "ring",
      "square",
      "star",
      "triangle"};
  return names;
}

void make_shapes(const fs::path& dir, const ShapesOptions& options) {
  check_options(options);
  const std::string description = describe(options);
  try {
    if (is_made(dir, description)) {
      return;
    }
    core::write_file_atomically(dir / kMarkerName, kUnfinished);
    write_part(dir, 0, options.train_per_class, options);
    write_part(dir, 1, options.test_per_class, options);
  } catch (const fs::filesystem_error& error) {
    throw Error(fmt::format(
        "{}: {}; check permissions and free space", dir.string(), error.code().message()));
  }
  core::write_file_atomically(dir / kMarkerName, description);
}

}  // namespace vim::data
