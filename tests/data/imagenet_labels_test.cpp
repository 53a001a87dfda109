// Validation images without class folders, packed and unpacked, with every form of label list.
#include "src/data/source/imagenet_labels.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "src/data/source/dataset.h"
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

// Four validation images in a tar file, packed out of order, each holding its number.
class ValidationSet {
 public:
  ValidationSet() {
    write(
        "val.tar",
        make_tar(
            {{"ILSVRC2012_val_00000003.JPEG", "3"},
             {"ILSVRC2012_val_00000001.JPEG", "1"},
             {"ILSVRC2012_val_00000004.JPEG", "4"},
             {"ILSVRC2012_val_00000002.JPEG", "2"}}));
  }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((temp_ / name).parent_path());
    std::ofstream(temp_ / name, std::ios::binary) << text;
  }

  std::string path(const std::string& name) const { return (temp_ / name).string(); }

  // "CLASS:BYTES" of each image in order.
  std::vector<std::string> read(
      const std::string& labels,
      const std::string& synsets = "",
      const char* set = "val.tar") const {
    write("labels", labels);
    DatasetLocation location{DataFormat::kAuto, path(set), /*is_train=*/false, path("labels")};
    if (!synsets.empty()) {
      write("synsets", synsets);
      location.synsets = path("synsets");
    }
    const auto dataset = open_dataset(location);
    std::vector<std::string> images;
    std::vector<uint8_t> buffer;
    for (int64_t i = 0; i < dataset->size(); ++i) {
      const auto bytes = dataset->fetch(i, buffer).bytes;
      const auto label = static_cast<size_t>(dataset->label(i));
      images.push_back(
          dataset->class_names().at(label) + ":" + std::string(bytes.begin(), bytes.end()));
    }
    return images;
  }

  // What is wrong, without the folder in front.
  std::string refusal(const std::string& labels, const std::string& synsets = "") const {
    const std::string text = thrown_text([&] { read(labels, synsets); });
    const std::string front = temp_.path().string() + "/";
    return text.starts_with(front) ? text.substr(front.size()) : text;
  }

 private:
  TempFolder temp_;
};

// By class and then by name, as class folders would have them.
const std::vector<std::string> kExpected = {"n01:2", "n05:1", "n05:4", "n11:3"};

TEST_CASE("a list of image and class labels by name, in any order") {
  const ValidationSet set;
  CHECK(
      set.read(
          "# name class\nILSVRC2012_val_00000004.JPEG n05\nILSVRC2012_val_00000001.JPEG n05\r\n\n"
          "ILSVRC2012_val_00000003.JPEG,n11\nval/ILSVRC2012_val_00000002.JPEG\tn01\n") ==
      kExpected);
}

TEST_CASE("Kaggle's table, with boxes behind the class, is such a list") {
  const ValidationSet set;
  CHECK(
      set.read(
          "ImageId,PredictionString\nILSVRC2012_val_00000004,n05 85 1 499 272 \n"
          "ILSVRC2012_val_00000001,n05 1 2 3 4 n05 5 6 7 8 \nILSVRC2012_val_00000003,n11 1 2 3 4\n"
          "ILSVRC2012_val_00000002,n01 0 0 9 9\n") == kExpected);
}

TEST_CASE("a class a line labels by the order of the names") {
  const ValidationSet set;
  CHECK(set.read("n05\nn01\nn11\nn05\n") == kExpected);
}

TEST_CASE("numbers a line are looked up, not taken as the order of sorted classes") {
  const ValidationSet set;
  const std::string numbers = "2\n3\n1\n2\n";
  CHECK(set.read(numbers, "n11\nn05\nn01\n") == kExpected);
  CHECK(set.read(numbers, "3 n01 third, of ours\n2 n05\n1 n11\n") == kExpected);
  CHECK(set.read("0\n10\n7\n0\n", "0 n05\n10 n01\n7 n11\n") == kExpected);
}

TEST_CASE("ImageNet's development kit labels by itself, as it is downloaded") {
  const ValidationSet set;
  set.write("kit/data/ILSVRC2012_validation_ground_truth.txt", "2\n300\n1\n2\n");
  fs::copy_file("tests/data/devkit_compressed.mat", set.path("kit/data/meta.mat"));
  const std::string command = "cd '" + set.path("") + "' && tar -czf devkit.tar.gz kit 2>/dev/null";
  if (std::system(command.c_str()) != 0) {
    WARN("no tar or gzip program here");
    return;
  }
  const auto dataset =
      open_dataset({DataFormat::kAuto, set.path("val.tar"), false, set.path("devkit.tar.gz")});
  CHECK(dataset->class_names() == std::vector<std::string>{"n01", "n05", "n11"});
  CHECK(dataset->name(0) == set.path("val.tar") + ":ILSVRC2012_val_00000002.JPEG");
  CHECK(dataset->label(3) == 2);
  set.write("numbers", "300\n1\n2\n2\n");
  const auto other = open_dataset(
      {DataFormat::kAuto,
       set.path("val.tar"),
       false,
       set.path("numbers"),
       set.path("devkit.tar.gz")});
  CHECK(other->name(0) == set.path("val.tar") + ":ILSVRC2012_val_00000001.JPEG");
}

TEST_CASE("numbers behind names are looked up too") {
  const ValidationSet set;
  const std::string front = "ILSVRC2012_val_0000000";
  CHECK(
      set.read(
          front + "1 2\n" + front + "2 3\n" + front + "3 1\n" + front + "4 2\n",
          "n11\nn05\nn01\n") == kExpected);
}

TEST_CASE("a flat folder with a label list is the same set") {
  const ValidationSet set;
  for (const char* number : {"1", "2", "3", "4"}) {
    set.write("flat/ILSVRC2012_val_0000000" + std::string(number) + ".JPEG", number);
  }
  CHECK(set.read("n05\nn01\nn11\nn05\n", "", "flat") == kExpected);
}

TEST_CASE("classes are numbered by their sorted names and images called by their path") {
  const ValidationSet set;
  set.write("labels", "n05\nn01\nn11\nn05\n");
  const auto dataset =
      open_dataset({DataFormat::kAuto, set.path("val.tar"), false, set.path("labels")});
  CHECK(dataset->class_names() == std::vector<std::string>{"n01", "n05", "n11"});
  CHECK(dataset->label(3) == 2);
  CHECK(dataset->name(0) == set.path("val.tar") + ":ILSVRC2012_val_00000002.JPEG");
}

TEST_CASE("another label list makes the index stale") {
  const ValidationSet set;
  CHECK(set.read("n05\nn01\nn11\nn05\n") == kExpected);
  CHECK(set.read("n05\nn001\nn11\nn05\n").front() == "n001:2");
}

TEST_CASE("mistakes in label lists are named with file and line") {
  const ValidationSet set;
  const std::string front = "ILSVRC2012_val_0000000";
  CHECK(contains(set.refusal("n1\nn2\nn3\n"), "labels: holds 3 labels for 4 images"));
  CHECK(contains(set.refusal("n1\nn2\nn3\nn4\nn5\n"), "labels: holds 5 labels for 4 images"));
  CHECK(contains(set.refusal("n1\nn2 x\nn3\nn4\n"), "labels:2: 2 words; write one label"));
  CHECK(contains(set.refusal("1\n2\n3\n4\n"), "labels:1: labels are numbers; say in data.synsets"));
  CHECK(contains(set.refusal("1\n2\n3\n4\n", "a\nb\nc\n"), "labels:4: 4 is no number of a class"));
  CHECK(contains(set.refusal("0\n2\n3\n1\n", "a\nb\nc\n"), "labels:1: 0 is no number of a class"));
  CHECK(
      contains(set.refusal("1\n1\n1\n1\n", "1 a\n1 b\n"), "synsets:2: number 1 stands here again"));
  CHECK(contains(set.refusal("1\n1\n1\n1\n", "1\n"), "synsets:1: holds a number alone"));
  CHECK(contains(set.refusal("x.JPEG n1\n"), "labels:1: there is no image x.JPEG"));
  CHECK(contains(
      set.refusal("\n" + front + "1 n1\n" + front + "1.JPEG n1\n"),
      "labels:3: " + front + "1.JPEG"));
  CHECK(contains(set.refusal(front + "1 n1 n2\n"), "labels:1: 3 words; write `IMAGE CLASS`"));
  CHECK(contains(set.refusal(front + "1 n1\n"), "labels: has no line for " + front));
  CHECK(contains(set.refusal("\n# nothing\n"), "labels: holds no labels"));
}

TEST_CASE("images of the same name cannot be labelled by it") {
  const ValidationSet set;
  set.write("val.tar", make_tar({{"a/1.jpg", "1"}, {"b/1.jpg", "2"}}));
  CHECK(contains(set.refusal("1.jpg x\n"), "labels: cannot label images by name: two of them"));
}

TEST_CASE("a label list that is missing is named") {
  const ValidationSet set;
  const std::string text = thrown_text([&] {
    open_dataset({DataFormat::kAuto, set.path("val.tar"), false, set.path("nowhere.txt")});
  });
  CHECK(contains(text, "nowhere.txt: cannot be opened"));
}

}  // namespace
}  // namespace vim::data
