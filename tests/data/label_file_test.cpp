// Label files for made-up data sets: both forms, and what is refused where.
#include "src/data/source/label_file.h"

#include <fstream>
#include <stdexcept>

#include "src/data/source/relabelled_dataset.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::data {
namespace {

using test::contains;

// Images by name alone.
class NamedImages : public Dataset {
 public:
  explicit NamedImages(std::vector<std::string> names) : names_(std::move(names)) {}

  int64_t size() const override { return static_cast<int64_t>(names_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t) const override { return 0; }
  std::string name(int64_t index) const override { return names_.at(static_cast<size_t>(index)); }
  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override {
    return vim::data::store_pixels({1, 1, {static_cast<uint8_t>(index), 0, 0}}, buffer);
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::string> class_names_ = {"all"};
};

const ModelClasses kClasses = {{"cat", "dog", "emu"}, 3};
const std::vector<std::string> kNames = {"val/a/1.jpg", "val/a/2.jpg", "val/b/1.jpg"};

class LabelFile {
 public:
  explicit LabelFile(const std::string& text) { std::ofstream(path()) << text; }

  std::filesystem::path path() const { return temp_ / "labels"; }

  LabelSets read(const std::vector<std::string>& names) const {
    return read_label_file(path(), NamedImages(names), kClasses);
  }

  // What is wrong, without the path in front.
  std::string refusal(const std::vector<std::string>& names) const {
    const std::string text = test::thrown_text([&] { read(names); });
    return text.starts_with(path().string()) ? text.substr(path().string().size()) : text;
  }

 private:
  test::TempFolder temp_;
};

TEST_CASE("a line names an image by the end of its path, and its classes by number or name") {
  const LabelFile file("# name, labels\n\na/1.jpg 1 cat\r\n2.jpg,2\n\tval/b/1.jpg\temu dog 0\n");
  CHECK(file.read(kNames) == LabelSets{{1, 0}, {2}, {2, 1, 0}});
}

TEST_CASE("an image without a label is read as one without right answers") {
  const LabelFile file("a/1.jpg 0\n2.jpg\nb/1.jpg 1\n");
  CHECK(file.read(kNames) == LabelSets{{0}, {}, {1}});
}

TEST_CASE("mistakes in lines are named with file and line") {
  const auto refusal = [](const std::string& text) { return LabelFile(text).refusal(kNames); };
  CHECK(contains(refusal("a/1.jpg 0\nc/1.jpg 0\n"), ":2: there is no image c/1.jpg"));
  CHECK(contains(refusal("1.jpg 0\n"), ":1: 2 images are called 1.jpg; write their folders too"));
  CHECK(contains(refusal("2.jpg 3\n"), ":1: there is no class 3; write a number from 0 to 2"));
  CHECK(contains(refusal("\n2.jpg cow\n"), ":2: there is no class cow"));
  CHECK(contains(refusal("2.jpg 0\na/2.jpg 1\n"), ":2: a/2.jpg is named before"));
  CHECK(contains(refusal("a/1.jpg 0\n2.jpg 1\n"), ": has no line for val/b/1.jpg; add one"));
  CHECK(contains(refusal("pg 0\n"), ":1: there is no image pg"));  // not a whole part of a path
  CHECK(contains(refusal(""), ": has no line for val/a/1.jpg"));
}

TEST_CASE("a JSON list belongs to the images in the order of their file names") {
  const LabelFile file(" [[1, 2], [], [0]]");
  CHECK(file.read({"val/z/1.jpg", "val/b/3.jpg", "val/a/2.jpg"}) == LabelSets{{1, 2}, {0}, {}});
}

TEST_CASE("a JSON list belongs to ImageNet's validation images by their number") {
  const LabelFile file("[[0], [1], [2], []]");
  CHECK(
      file.read({"v/n2/ILSVRC2012_val_00000003.JPEG", "v/n1/ILSVRC2012_val_00000001.JPEG"}) ==
      LabelSets{{2}, {0}});
}

TEST_CASE("JSON of another form is refused with the entry") {
  const auto refusal = [](const std::string& text) { return LabelFile(text).refusal(kNames); };
  CHECK(contains(refusal("[[0], [1]]"), ": holds 2 entries for 3 images"));
  CHECK(contains(refusal("[[0], [1], [3]]"), ": entry 2: 3 is no class number from 0 to 2"));
  CHECK(contains(refusal("[[0], [-1], [1]]"), ": entry 1: -1 is no class number"));
  CHECK(contains(refusal("[[0], [\"cat\"], [1]]"), ": entry 1: \"cat\" is no class number"));
  CHECK(contains(refusal("[[0], 1, [1]]"), ": entry 1 is no list"));
  CHECK(contains(refusal("[[0], [1], [1]"), ": is no JSON list"));
}

TEST_CASE("a relabelled data set has the images of the other and labels of its own") {
  const NamedImages images(kNames);
  const RelabelledDataset relabelled(images, {"cat", "dog"}, {1, 0, 1});
  CHECK(relabelled.size() == 3);
  CHECK(relabelled.class_names() == std::vector<std::string>{"cat", "dog"});
  CHECK(relabelled.label(1) == 0);
  CHECK(relabelled.label(2) == 1);
  CHECK(relabelled.name(1) == "val/a/2.jpg");
  CHECK(read_image(relabelled, 2).pixels[0] == 2);
  CHECK_THROWS_AS(RelabelledDataset(images, {}, {1, 0}), std::invalid_argument);
}

}  // namespace
}  // namespace vim::data
