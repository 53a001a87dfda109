#include "src/train/class_report.h"

#include <ATen/ATen.h>

#include "src/train/metrics.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/temp_folder.h"

namespace vim::train {
namespace {

// Likeliest classes of four images, three of them kept each.
at::Tensor some_top() {
  return at::tensor({2, 0, 1, 1, 2, 3, 0, 1, 2, -1, 3, 0}, at::kLong).view({4, 3});
}

void check_classes(const ClassReport& report, const std::vector<ClassCounts>& expected) {
  REQUIRE(report.classes.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("class " << i);
    CHECK(report.classes[i] == expected[i]);
  }
}

TEST_CASE("images are counted by class, first place and all places apart") {
  const ClassReport report = count_classes(some_top(), {{2}, {2}, {3}, {0}}, 4);
  CHECK(report.all == ClassCounts{4, 1, 3});
  check_classes(report, {{1, 0, 1}, {0, 0, 0}, {2, 1, 2}, {1, 0, 0}});
}

TEST_CASE("any of several classes is right, and images without one do not count") {
  const ClassReport report = count_classes(some_top(), {{0, 2}, {}, {3, 2}, {1}}, 4);
  CHECK(report.all == ClassCounts{3, 1, 2});
  check_classes(report, {{1, 1, 1}, {1, 0, 0}, {2, 1, 2}, {1, 0, 1}});
}

TEST_CASE("the confusion matrix tells true from predicted classes") {
  const ClassReport report = count_classes(some_top(), {{2}, {2}, {3}, {0}}, 4);
  // The last image has no finite logit in front.
  CHECK(report.confusion.size() == 3);
  CHECK(report.confusion.at({2, 2}) == 1);
  CHECK(report.confusion.at({2, 1}) == 1);
  CHECK(report.confusion.at({3, 0}) == 1);
  const ClassReport several = count_classes(some_top(), {{0, 2}, {}, {3, 2}, {}}, 4);
  CHECK(several.confusion.at({2, 2}) == 1);  // right: under the predicted class
  CHECK(several.confusion.at({3, 0}) == 1);  // wrong: under the first of its classes
}

TEST_CASE("a label is among the likeliest classes exactly where hits are counted") {
  const at::Tensor logits =
      at::tensor({0.5, 0.5, 0.1, NAN, 0.3, 0.2, 0.5, NAN, 1.0, INFINITY, 0.4, 0.4}, at::kFloat)
          .view({3, 4});
  for (int64_t k = 1; k <= 5; ++k) {
    for (int64_t label = 0; label < 4; ++label) {
      const at::Tensor top = top_classes(logits, k);
      CHECK(top.size(1) == std::min<int64_t>(k, 4));
      const auto held = top.eq(label).any(1).sum().item<int64_t>();
      CHECK(held == count_top_k(logits, at::full({3}, label, at::kLong), k));
    }
  }
}

TEST_CASE("tables are written with names, quoted where they need it") {
  const test::TempFolder temp;
  const ClassReport report = count_classes(some_top(), {{2}, {2}, {3}, {0}}, 4);
  const std::vector<std::string> names = {"cat", "dog, \"big\"", "emu"};  // none for class 3
  write_per_class(temp / "classes.csv", report, names);
  CHECK(
      test::read_text(temp / "classes.csv") ==
      "class,name,images,right1,right5,acc1,acc5\n"
      "0,cat,1,0,1,0.0000,100.0000\n"
      "1,\"dog, \"\"big\"\"\",0,0,0,,\n"
      "2,emu,2,1,2,50.0000,100.0000\n"
      "3,3,1,0,0,0.0000,0.0000\n");
  write_confusion(temp / "confusion.csv", report, names);
  CHECK(
      test::read_text(temp / "confusion.csv") ==
      "true\\predicted,cat,\"dog, \"\"big\"\"\",emu,3\n"
      "cat,0,0,0,0\n"
      "\"dog, \"\"big\"\"\",0,0,0,0\n"
      "emu,0,1,1,0\n"
      "3,1,0,0,0\n");
}

}  // namespace
}  // namespace vim::train
