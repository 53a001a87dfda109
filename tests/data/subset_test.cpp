// Subsets of a data set by fraction and by a list of names.
#include "src/data/subset.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "src/data/training_set.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::data {
namespace {

using test::contains;
using test::thrown_text;

// Three classes of 10, 3 and 1 images: images 0 to 9, 10 to 12, and 13.
class Folder {
 public:
  Folder() {
    for (const auto& [name, size] : {std::pair{"ant", 10}, {"bee", 3}, {"cat", 1}}) {
      std::filesystem::create_directories(folder_ / name);
      for (int i = 0; i < size; ++i) {
        const std::vector<uint8_t> bytes = test::write_some_jpeg(4, 4 + i, i);
        std::ofstream file(folder_ / name / (std::to_string(i) + ".jpg"), std::ios::binary);
        file.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
      }
    }
  }

  DataOptions options() const {
    DataOptions options;
    options.path = folder_.path().string();
    return options;
  }

  std::string list(const std::string& text) const {
    const std::filesystem::path path = folder_.path().string() + ".txt";
    std::ofstream(path) << text;
    return path.string();
  }

  std::unique_ptr<Dataset> open() const { return open_dataset(train_location(options())); }

 private:
  test::TempFolder folder_;
};

}  // namespace

TEST_CASE("A fraction takes that part of each class, rounded up") {
  const Folder folder;
  const auto whole = folder.open();
  const std::vector<int64_t> chosen = draw_subset(*whole, 0.3);
  REQUIRE(chosen.size() == 5);  // 3 of 10, 1 of 3, 1 of 1
  CHECK(std::is_sorted(chosen.begin(), chosen.end()));
  CHECK(chosen[2] < 10);
  CHECK((chosen[3] >= 10 && chosen[3] <= 12));
  CHECK(chosen[4] == 13);
  CHECK(chosen == draw_subset(*whole, 0.3));
  const std::vector<int64_t> more = draw_subset(*whole, 0.7);
  CHECK(std::includes(more.begin(), more.end(), chosen.begin(), chosen.end()));
  CHECK(draw_subset(*whole, 1.0).size() == 14);
}

TEST_CASE("The training set of a fraction keeps labels, names and bytes") {
  const Folder folder;
  const auto whole = folder.open();
  DataOptions options = folder.options();
  options.subset = 0.3;
  const auto subset = open_training_set(options);
  const std::vector<int64_t> chosen = draw_subset(*whole, 0.3);
  REQUIRE(subset->size() == 5);
  CHECK(subset->class_names() == whole->class_names());
  for (int64_t i = 0; i < 5; ++i) {
    const int64_t image = chosen[static_cast<size_t>(i)];
    CHECK(subset->name(i) == whole->name(image));
    CHECK(subset->label(i) == whole->label(image));
    CHECK(read_image(*subset, i).pixels == read_image(*whole, image).pixels);
  }
}

TEST_CASE("A list names images by file, with the folder where that is needed") {
  const Folder folder;
  const auto whole = folder.open();
  CHECK(
      read_subset(*whole, folder.list("# mine\ncat/0.jpg\n\n9.jpg ant\nbee/2.jpg\n")) ==
      std::vector<int64_t>{9, 12, 13});
  const auto reason = [&](const std::string& text) {
    return thrown_text([&] { read_subset(*whole, folder.list(text)); });
  };
  CHECK(contains(reason("9.jpg\n0.jpg\n"), ".txt:2: 3 images are called 0.jpg"));
  CHECK(contains(reason("77.jpg\n"), ".txt:1: there is no image 77.jpg"));
  CHECK(contains(reason("9.jpg\nant/9.jpg\n"), ".txt:2: ant/9.jpg is named before"));
  CHECK(contains(reason("# nothing\n"), "names no images"));
}

}  // namespace vim::data
