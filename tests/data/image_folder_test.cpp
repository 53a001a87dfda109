// Image folders in temporary directories: order, labels, odd files, and what is refused.
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "src/data/image/decode.h"
#include "src/data/source/dataset.h"
#include "src/data/source/indexed_build.h"
#include "src/data/source/indexed_dataset.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

namespace fs = std::filesystem;
using vim::data::DataFormat;
using vim::data::open_dataset;
using vim::test::contains;
using vim::test::TempFolder;
using vim::test::thrown_text;

void write_file(const fs::path& path, const std::vector<uint8_t>& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(
          reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void write_jpeg_file(const fs::path& path) {
  write_file(path, vim::test::write_some_jpeg(6, 9, 1));
}

std::vector<std::string> relative_names(const vim::data::Dataset& dataset, const fs::path& root) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    names.push_back(fs::relative(dataset.name(i), root).string());
  }
  return names;
}

}  // namespace

TEST_CASE("An image folder sorts classes and files, goes into sub-folders, and skips other files") {
  const TempFolder folder;
  for (const char* name :
       {"b/2.jpg",
        "b/10.JPG",
        "b/deep/er/1.png",
        "b/notes.txt",
        "a/x.webp",
        "a/.jpg.tmp",
        "a/z.JpEg",
        "readme.jpg"}) {
    write_jpeg_file(folder / name);
  }
  const auto dataset = open_dataset({DataFormat::kFolder, folder.path().string(), true});
  CHECK(dataset->class_names() == std::vector<std::string>{"a", "b"});
  CHECK(
      relative_names(*dataset, folder.path()) ==
      std::vector<std::string>{"a/x.webp", "a/z.JpEg", "b/10.JPG", "b/2.jpg", "b/deep/er/1.png"});
  CHECK(dataset->label(1) == 0);
  CHECK(dataset->label(2) == 1);
}

TEST_CASE("An image folder decodes by content, whatever the file is called") {
  const TempFolder folder;
  write_jpeg_file(folder / "a/photo.png");
  const auto dataset = open_dataset({DataFormat::kFolder, folder.path().string(), false});
  const vim::data::Image image = read_image(*dataset, 0);
  CHECK(image.height == 6);
  CHECK(image.width == 9);
}

TEST_CASE("An empty or damaged file of an image folder is a bad image") {
  const TempFolder folder;
  write_file(folder / "a/empty.jpg", {});
  write_file(folder / "a/text.jpg", {'h', 'e', 'l', 'l', 'o'});
  const auto dataset = open_dataset({DataFormat::kFolder, folder.path().string(), true});
  CHECK_THROWS_AS(read_image(*dataset, 0), vim::data::BadImage);
  CHECK_THROWS_AS(read_image(*dataset, 1), vim::data::BadImage);
}

TEST_CASE("A file that has gone since is an error that names it") {
  const TempFolder folder;
  write_jpeg_file(folder / "a/1.jpg");
  const auto dataset = open_dataset({DataFormat::kFolder, folder.path().string(), true});
  fs::remove(folder / "a/1.jpg");
  CHECK(contains(thrown_text([&] { read_image(*dataset, 0); }), "a/1.jpg: cannot be read"));
}

TEST_CASE("An image folder that is missing, has no class or an empty class is refused by name") {
  const TempFolder folder;
  const auto open = [](const fs::path& path) {
    return thrown_text([&] { open_dataset({DataFormat::kFolder, path.string(), true}); });
  };
  CHECK(contains(open(folder / "nowhere"), "nowhere: no such folder"));
  write_jpeg_file(folder / "flat/1.jpg");
  CHECK(contains(open(folder / "flat"), "flat: no class folders"));
  write_jpeg_file(folder / "set/full/1.jpg");
  fs::create_directories(folder / "set/hollow");
  CHECK(contains(open(folder / "set"), "set/hollow: no images"));
}

TEST_CASE("A loop of links inside a class is refused instead of followed for ever") {
  const TempFolder folder;
  write_jpeg_file(folder / "a/1.jpg");
  fs::create_directory_symlink(folder / "a", folder / "a/again");
  CHECK_FALSE(contains(
      thrown_text([&] {
        open_dataset({DataFormat::kFolder, folder.path().string(), true});
      }),
      "nothing was thrown"));
}

namespace {

// An image folder with an index in it, as vim_data index makes it.
void write_folder_index(const fs::path& root) {
  vim::data::IndexedSet set =
      vim::data::find_folder_set({DataFormat::kFolder, root.string(), true});
  vim::data::write_index(set.index, vim::data::build_index(set, {}).bytes);
}

std::vector<std::string> names_in(const fs::path& root) {
  return relative_names(*open_dataset({DataFormat::kFolder, root.string(), true}), root);
}

}  // namespace

TEST_CASE("An image folder without an index gets none") {
  const TempFolder folder;
  write_jpeg_file(folder / "a/1.jpg");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a/1.jpg"});
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("An image folder's index is used as long as no folder in it has changed") {
  const TempFolder folder;
  write_jpeg_file(folder / "a/1.jpg");
  write_jpeg_file(folder / "a/deep/2.jpg");
  write_jpeg_file(folder / "b/3.jpg");
  write_folder_index(folder.path());
  const auto written = fs::last_write_time(folder / ".vimindex");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a/1.jpg", "a/deep/2.jpg", "b/3.jpg"});
  CHECK(fs::last_write_time(folder / ".vimindex") == written);
}

TEST_CASE("An image folder's index is made again when a file or class comes or goes") {
  const TempFolder folder;
  write_jpeg_file(folder / "a/1.jpg");
  write_jpeg_file(folder / "a/deep/2.jpg");
  write_folder_index(folder.path());
  // A folder's time may count in steps of milliseconds; set it apart by hand.
  const auto later = [](const fs::path& path) {
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  };
  write_jpeg_file(folder / "a/deep/3.jpg");
  later(folder / "a/deep");
  CHECK(names_in(folder.path()).size() == 3);
  write_jpeg_file(folder / "c/4.jpg");
  CHECK(names_in(folder.path()).size() == 4);
  fs::remove_all(folder / "a/deep");
  later(folder / "a");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a/1.jpg", "c/4.jpg"});
  CHECK(vim::data::ImageIndex::map(folder / ".vimindex").size() == 2);
}

TEST_CASE("An image folder's index lies elsewhere where the user says so") {
  const TempFolder folder;
  write_jpeg_file(folder / "set/a/1.jpg");
  vim::data::DatasetLocation location{DataFormat::kAuto, (folder / "set").string(), true};
  location.index = (folder / "set.vimindex").string();
  CHECK(open_dataset(location)->size() == 1);
  CHECK(vim::data::ImageIndex::map(location.index).size() == 1);
}
