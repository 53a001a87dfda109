// Tar files beside the image folder with the same files: same order, labels, bytes and batches.
#include <algorithm>
#include <fstream>
#include <map>

#include "src/data/loader.h"
#include "src/data/sampler.h"
#include "src/data/source/dataset.h"
#include "src/data/transform.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::make_tar;
using test::TempFolder;
using test::thrown_text;

using Files = std::vector<std::pair<std::string, std::string>>;

// In the order of Python's sorted(os.walk(CLASS)): folders by their whole path, then names.
const std::vector<std::string> kPaths = {
    "n01/10.JPEG",
    "n01/2.JPEG",
    "n01/A.png",
    "n01/a.jpg",
    "n01/b/x.jpg",
    "n01/b-c/x.jpg",
    "n01/b/z/x.jpg",
    "n02/1.jpg",
    "n02-b/1.jpg",
    "n03/z/z/z.jpeg"};

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string some_image(int number) {
  const auto bytes = test::write_some_jpeg(20 + number, 30 - number, number);
  return {bytes.begin(), bytes.end()};
}

// The files of kPaths, `front` before their names.
Files image_files(const std::string& front) {
  Files files;
  for (const std::string& path : kPaths) {
    files.emplace_back(front + path, some_image(static_cast<int>(files.size())));
  }
  return files;
}

void unpack(const fs::path& folder, const Files& files) {
  for (const auto& [name, bytes] : files) {
    write_text(folder / name, bytes);
  }
}

std::unique_ptr<Dataset> open(const fs::path& path) {
  return open_dataset({DataFormat::kAuto, path.string()});
}

std::string refusal(const fs::path& path) {
  return thrown_text([&path] { open(path); });
}

std::string stored_text(const Dataset& dataset, int64_t index) {
  std::vector<uint8_t> buffer;
  const auto bytes = dataset.fetch(index, buffer).bytes;
  return {bytes.begin(), bytes.end()};
}

// What follows `front` in the images' names, front and all where it is not there.
std::vector<std::string> names_behind(const Dataset& dataset, const std::string& front) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::string name = dataset.name(i);
    names.push_back(name.starts_with(front) ? name.substr(front.size()) : name);
  }
  return names;
}

void check_equal(const Dataset& packed, const Dataset& folder) {
  REQUIRE(packed.size() == folder.size());
  CHECK(packed.class_names() == folder.class_names());
  for (int64_t i = 0; i < packed.size(); ++i) {
    CHECK(packed.label(i) == folder.label(i));
    CHECK(stored_text(packed, i) == stored_text(folder, i));
  }
}

// Pixels and labels of one epoch from a position on.
std::vector<int64_t> epoch_of(const Dataset& dataset, int64_t workers, int64_t first_position) {
  const TrainTransform transform(AugmentOptions{}, 16, 16);
  LoaderOptions options;
  options.batch_size = 2;
  options.workers = workers;
  options.seed = 3;
  Loader loader(dataset, transform, options);
  loader.start(shuffled_order(dataset.size(), 3, 1), 1, first_position);
  std::vector<int64_t> values;
  while (const LoadedBatch* batch = loader.next()) {
    values.insert(values.end(), batch->images, batch->images + batch->size * 16 * 16 * 3);
    values.insert(values.end(), batch->labels.begin(), batch->labels.end());
  }
  return values;
}

TEST_CASE("a folder of tar files without folders inside has a class for each") {
  const TempFolder temp;
  Files ants = {{"2.jpg", some_image(2)}, {"./10.jpg", some_image(10)}};
  Files bees = {{"2.jpg", some_image(3)}};
  write_text(temp / "shards/n02.tar", make_tar(bees));
  write_text(temp / "shards/n01.tar", make_tar(ants));
  unpack(
      temp / "folder",
      {{"n01/2.jpg", some_image(2)}, {"n01/10.jpg", some_image(10)}, {"n02/2.jpg", some_image(3)}});
  const auto packed = open(temp / "shards");
  check_equal(*packed, *open(temp / "folder"));
  CHECK(packed->name(0).ends_with("n01.tar:n01/10.jpg"));
}

TEST_CASE("batches from a tar file, a tar file of tar files and a folder are the same bits") {
  const TempFolder temp;
  unpack(temp / "folder", image_files(""));
  Files files = image_files("data/train/");
  std::reverse(files.begin(), files.end());  // as packed is not as sorted
  write_text(temp / "plain.tar", make_tar(files));
  std::map<std::string, Files> by_class;
  for (const auto& [name, bytes] : image_files("")) {
    by_class[name.substr(0, name.find('/'))].emplace_back(name.substr(name.find('/') + 1), bytes);
  }
  Files inner;
  for (const auto& [name, members] : by_class) {
    inner.emplace_back(name + ".tar", make_tar(members));
  }
  std::reverse(inner.begin(), inner.end());
  write_text(temp / "nested.tar", make_tar(inner));
  const auto folder = open(temp / "folder");
  for (const char* name : {"plain.tar", "nested.tar"}) {
    CAPTURE(name);
    const auto packed = open(temp / name);
    check_equal(*packed, *folder);
    for (const int64_t workers : {1, 2, 7}) {
      CHECK(epoch_of(*packed, workers, 0) == epoch_of(*folder, 1, 0));
      CHECK(epoch_of(*packed, workers, 4) == epoch_of(*folder, 1, 4));
    }
  }
}

TEST_CASE("a tar file has the order of torchvision's image folder, and names tell where") {
  const TempFolder temp;
  Files files = image_files("./data//train/");
  files.emplace_back("data/train/n01/._a.jpg", "macOS");
  files.emplace_back("data/train/n01/notes.txt", "text");
  files.emplace_back("data/train/readme.png", "no class");
  write_text(temp / "set.tar", make_tar(files));
  const auto dataset = open(temp / "set.tar");
  CHECK(names_behind(*dataset, (temp / "set.tar").string() + ":data/train/") == kPaths);
  CHECK(dataset->class_names() == std::vector<std::string>{"n01", "n02", "n02-b", "n03"});
}

TEST_CASE("an image of a tar of tars is named as it would be unpacked") {
  const TempFolder temp;
  const std::string inner = make_tar({{"n5_1.JPEG", "x"}});
  write_text(temp / "train.tar", make_tar({{"ilsvrc/n5.tar", inner}}));
  const auto dataset = open(temp / "train.tar");
  REQUIRE(dataset->size() == 1);
  CHECK(dataset->class_names() == std::vector<std::string>{"n5"});
  CHECK(dataset->name(0) == (temp / "train.tar").string() + ":ilsvrc/n5/n5_1.JPEG");
  CHECK(stored_text(*dataset, 0) == "x");
}

TEST_CASE("a path may name a folder inside a tar file") {
  const TempFolder temp;
  const std::string tar = (temp / "cifar.tar").string();
  write_text(
      tar,
      make_tar(
          {{"cifar/train/a/1.png", "1"},
           {"cifar/train/b/2.png", "2"},
           {"cifar/test/a/3.png", "3"}}));
  CHECK(open(tar + ":cifar/train")->size() == 2);
  const auto test = open(tar + ":cifar/test/");
  CHECK(test->class_names() == std::vector<std::string>{"a"});
  CHECK(stored_text(*test, 0) == "3");
  CHECK(open(tar + ":cifar/train")->size() == 2);  // each has an index of its own
  CHECK(contains(refusal(tar), "its folders test, train are no classes"));
  CHECK(contains(refusal(tar + ":cifar/val"), "no images in cifar/val"));
}

TEST_CASE("several tar files are one set, in the order of one folder") {
  const TempFolder temp;
  unpack(temp / "folder", image_files(""));
  const Files files = image_files("");
  for (size_t shard = 0; shard < 3; ++shard) {
    Files part;
    for (size_t i = shard; i < files.size(); i += 3) {
      part.push_back(files[i]);
    }
    write_text(temp / ("shards/train-" + std::to_string(2 - shard) + ".tar"), make_tar(part));
  }
  write_text(temp / "shards/val-0.tar", make_tar({{"n01/10.JPEG", "other"}}));
  const auto folder = open(temp / "folder");
  check_equal(*open(temp / "shards/train-*.tar"), *folder);
  CHECK(contains(
      refusal(temp / "shards"),
      "n01/10.JPEG lies in train-2.tar and in val-0.tar; keep one of them"));
  fs::remove(temp / "shards/val-0.tar");
  check_equal(*open(temp / "shards"), *folder);
  check_equal(*open(temp / "shards"), *folder);  // now through the index in the folder
  CHECK(fs::exists(temp / "shards/.vimindex"));
  CHECK(contains(refusal(temp / "shards/x*.tar"), "x*.tar: no file matches"));
}

TEST_CASE("a further shard makes the index stale") {
  const TempFolder temp;
  write_text(temp / "s/1.tar", make_tar({{"a/1.jpg", "1"}, {"b/1.jpg", "1"}}));
  CHECK(open(temp / "s")->size() == 2);
  write_text(temp / "s/2.tar", make_tar({{"a/2.jpg", "2"}}));
  CHECK(open(temp / "s")->size() == 3);
}

TEST_CASE("links in a tar file are left out") {
  const TempFolder temp;
  write_text(
      temp / "set.tar",
      test::tar_item({.name = "a/1.jpg", .bytes = "1"}) +
          test::tar_item({.name = "a/2.jpg", .type = '1'}) +
          test::tar_item({.name = "b/3.jpg", .type = '2'}) +
          test::tar_item({.name = "b/4.jpg", .bytes = "4"}) + test::tar_end());
  CHECK(open(temp / "set.tar")->size() == 2);
}

TEST_CASE("tar files without images or classes are refused with what to do") {
  const TempFolder temp;
  write_text(temp / "none.tar", make_tar({{"a/1.txt", "1"}}));
  CHECK(contains(refusal(temp / "none.tar"), "none.tar: no images (known endings: .jpg"));
  write_text(temp / "flat.tar", make_tar({{"val/1.jpg", "1"}, {"val/2.jpg", "2"}}));
  CHECK(contains(
      refusal(temp / "flat.tar"), "flat.tar: all images lie in one folder, val, so nothing tells"));
  write_text(temp / "twice.tar", make_tar({{"a/1.jpg", "1"}, {"a/1.jpg", "2"}, {"b/1.jpg", "3"}}));
  CHECK(contains(refusal(temp / "twice.tar"), "a/1.jpg lies in twice.tar twice"));
  CHECK(contains(refusal(temp / "gone.tar"), "gone.tar: no such file"));
}

TEST_CASE("a cut tar file is named with the byte of the member that is missing") {
  const TempFolder temp;
  const std::string tar = make_tar({{"a/1.jpg", std::string(600, '1')}, {"b/2.jpg", "2"}});
  write_text(temp / "cut.tar", tar.substr(0, 512 + 1024 + 512));  // the second header is the last
  CHECK(contains(refusal(temp / "cut.tar"), "cut.tar: damaged at byte 1536: b/2.jpg is to have 1"));
  CHECK_FALSE(fs::exists(temp / "cut.tar.vimindex"));
}

TEST_CASE("a tar file that shrinks under its index is an error that names it") {
  const TempFolder temp;
  write_text(temp / "set.tar", make_tar({{"a/1.jpg", "1"}, {"b/2.jpg", "2"}}));
  const auto dataset = open(temp / "set.tar");
  fs::resize_file(temp / "set.tar", 1024);
  CHECK(contains(
      thrown_text([&] { stored_text(*dataset, 1); }),
      "set.tar: cannot be read at byte 1536: it ends there"));
}

TEST_CASE("the format may be said, and must then fit") {
  const TempFolder temp;
  unpack(temp / "folder", image_files(""));
  write_text(temp / "set.tar", make_tar(image_files("")));
  const auto open_as = [&temp](DataFormat format, const std::string& name) {
    return thrown_text([&] { open_dataset({format, (temp / name).string()}); });
  };
  CHECK(open_as(DataFormat::kTar, "set.tar") == "nothing was thrown");
  CHECK(open_as(DataFormat::kFolder, "folder") == "nothing was thrown");
  CHECK(contains(open_as(DataFormat::kTar, "folder"), "folder: no tar files there"));
  CHECK(contains(open_as(DataFormat::kFolder, "set.tar"), "set.tar: is a file where a folder"));
  CHECK(contains(open_as(DataFormat::kAuto, "nowhere"), "nowhere: no such folder"));
}

}  // namespace
}  // namespace vim::data
