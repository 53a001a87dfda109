// The generated shapes: repeatable, different, as large as promised, and safe to make twice.
#include "src/data/shapes.h"

#include <cmath>
#include <fstream>
#include <set>
#include <stdexcept>

#include "src/data/source/dataset.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

namespace fs = std::filesystem;
using vim::core::RandomKey;
using vim::core::RandomStream;
using vim::data::draw_shape;
using vim::data::Image;
using vim::data::make_shapes;
using vim::data::ShapesOptions;
using vim::test::contains;
using vim::test::TempFolder;
using vim::test::thrown_text;

RandomKey key_at(uint64_t position) {
  RandomKey key;
  key.seed = 1;
  key.stream = RandomStream::kShapes;
  key.position = position;
  return key;
}

ShapesOptions small_set() {
  ShapesOptions options;
  options.train_per_class = 3;
  options.test_per_class = 2;
  return options;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Share of pixels in which two pictures differ by more than noise.
double changed_share(const Image& a, const Image& b) {
  int64_t changed = 0;
  for (size_t i = 0; i < a.pixels.size(); i += 3) {
    int difference = 0;
    for (size_t c = 0; c < 3; ++c) {
      difference += std::abs(a.pixels[i + c] - b.pixels[i + c]);
    }
    changed += difference > 90 ? 1 : 0;
  }
  return static_cast<double>(changed * 3) / static_cast<double>(a.pixels.size());
}

}  // namespace

TEST_CASE("A shape depends on class, size and key alone") {
  CHECK(draw_shape(3, 32, key_at(5)).pixels == draw_shape(3, 32, key_at(5)).pixels);
  CHECK(draw_shape(3, 32, key_at(5)).pixels != draw_shape(3, 32, key_at(6)).pixels);
  CHECK(draw_shape(3, 32, key_at(5)).pixels != draw_shape(4, 32, key_at(5)).pixels);
  const Image image = draw_shape(0, 48, key_at(0));
  CHECK(image.height == 48);
  CHECK(image.pixels.size() == 48 * 48 * 3);
}

TEST_CASE("Two classes drawn from one key share their background and differ where the shapes do") {
  for (uint64_t position = 0; position < 100; ++position) {
    for (int64_t other = 1; other < 10; ++other) {
      const double share = changed_share(
          draw_shape(0, 32, key_at(position)), draw_shape(other, 32, key_at(position)));
      REQUIRE(share > 0.01);
      REQUIRE(share < 0.5);
    }
  }
}

TEST_CASE("The mean brightness of pictures does not depend on the class") {
  std::vector<double> means;
  for (int64_t class_index = 0; class_index < 10; ++class_index) {
    double sum = 0;
    for (uint64_t position = 0; position < 400; ++position) {
      RandomKey key = key_at(position);
      key.part = static_cast<uint32_t>(class_index);
      for (const uint8_t value : draw_shape(class_index, 16, key).pixels) {
        sum += value;
      }
    }
    means.push_back(sum / (400 * 16 * 16 * 3));
  }
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  // Pictures' means have a standard deviation of about 40 levels: 2 for the mean of 400. The
  // largest of ten such means exceeds the smallest by 6 on average; 12 is far out.
  CHECK(*high - *low < 12);
}

TEST_CASE("make_shapes writes an image folder whose labels are the shapes' numbers") {
  const TempFolder folder;
  const fs::path dir = folder / "shapes";
  make_shapes(dir, small_set());
  const auto train =
      vim::data::open_dataset({vim::data::DataFormat::kFolder, (dir / "train").string(), true});
  const auto test =
      vim::data::open_dataset({vim::data::DataFormat::kFolder, (dir / "test").string(), false});
  CHECK(train->class_names() == vim::data::shape_names());
  CHECK(train->size() == 30);
  CHECK(test->size() == 20);
  CHECK(train->name(4) == (dir / "train/bar/00001.jpg").string());
  CHECK(read_image(*train, 0).width == 32);
  std::set<std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.path().extension() == ".jpg") {
      contents.insert(read_text(entry.path()));
    }
  }
  CHECK(contents.size() == 50);
}

TEST_CASE("make_shapes leaves a complete set alone and refuses other options for it") {
  const TempFolder folder;
  const fs::path dir = folder / "shapes";
  make_shapes(dir, small_set());
  const fs::path image = dir / "train/star/00000.jpg";
  const auto time = fs::last_write_time(image);
  make_shapes(dir, small_set());
  CHECK(fs::last_write_time(image) == time);
  ShapesOptions other = small_set();
  other.seed = 9;
  CHECK(contains(thrown_text([&] { make_shapes(dir, other); }), "other options"));
}

TEST_CASE("make_shapes redoes an interrupted run, with other options too") {
  const TempFolder folder;
  const fs::path dir = folder / "shapes";
  make_shapes(dir, small_set());
  const std::string expected = read_text(dir / "test/ring/00001.jpg");
  fs::create_directories(dir / "train/octagon");
  fs::remove(dir / "test/ring/00001.jpg");
  std::ofstream(dir / "shapes.txt") << "unfinished\n";
  make_shapes(dir, small_set());
  CHECK(read_text(dir / "test/ring/00001.jpg") == expected);
  CHECK_FALSE(fs::exists(dir / "train/octagon"));
}

TEST_CASE("make_shapes refuses a folder that it did not make and leaves it as it is") {
  const TempFolder folder;
  std::ofstream(folder / "thesis.tex") << "text";
  CHECK(contains(thrown_text([&] { make_shapes(folder.path(), small_set()); }), "not made by"));
  CHECK(read_text(folder / "thesis.tex") == "text");
  CHECK_FALSE(fs::exists(folder / "train"));
}

TEST_CASE("make_shapes refuses impossible options") {
  const TempFolder folder;
  ShapesOptions options = small_set();
  options.size = 8;
  CHECK(contains(thrown_text([&] { make_shapes(folder / "a", options); }), "size 8"));
  options = small_set();
  options.test_per_class = 0;
  CHECK_FALSE(contains(thrown_text([&] { make_shapes(folder / "a", options); }), "nothing"));
  CHECK_THROWS_AS(draw_shape(10, 32, key_at(0)), std::invalid_argument);
}
