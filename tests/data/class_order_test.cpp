// Classes of an evaluation set as classes of the model.
#include "src/data/source/class_order.h"

#include "tests/support/catch.h"
#include "tests/support/thrown_text.h"

namespace vim::data {
namespace {

using test::contains;
using test::thrown_text;
using Names = std::vector<std::string>;
using Classes = std::vector<int64_t>;

const ModelClasses kAnimals = {{"cat", "dog", "emu"}, 3};
const ModelClasses kUnnamed = {{}, 12};

std::string refusal(const Names& names, const ModelClasses& model, ClassOrder order) {
  return thrown_text([&] { find_model_classes(names, model, order, "val"); });
}

TEST_CASE("classes are found by their names, some of them missing or not") {
  const auto find = [](const Names& names) {
    return find_model_classes(names, kAnimals, ClassOrder::kAuto, "val");
  };
  CHECK(find({"cat", "dog", "emu"}) == Classes{0, 1, 2});
  CHECK(find({"cat", "emu"}) == Classes{0, 2});
}

TEST_CASE("folders of numbers are class numbers, not places in the order of text") {
  const Names sorted = {"0", "1", "10", "11", "2", "3"};
  CHECK(
      find_model_classes(sorted, kUnnamed, ClassOrder::kAuto, "val") ==
      Classes{0, 1, 10, 11, 2, 3});
  CHECK(find_model_classes({"0", "2"}, kAnimals, ClassOrder::kAuto, "val") == Classes{0, 2});
  CHECK(find_model_classes({"0007"}, kUnnamed, ClassOrder::kNumeric, "val") == Classes{7});
}

TEST_CASE("a model trained on folders of numbers keeps its own order of them") {
  const ModelClasses model = {{"0", "1", "10", "2"}, 4};
  CHECK(
      find_model_classes({"0", "1", "10", "2"}, model, ClassOrder::kAuto, "val") ==
      Classes{0, 1, 2, 3});
}

TEST_CASE("without names of the model, and on request, classes go by place") {
  CHECK(find_model_classes({"b", "x"}, kUnnamed, ClassOrder::kAuto, "val") == Classes{0, 1});
  CHECK(find_model_classes({"b", "x"}, kAnimals, ClassOrder::kText, "val") == Classes{0, 1});
  CHECK(find_model_classes({"1", "10"}, kUnnamed, ClassOrder::kText, "val") == Classes{0, 1});
}

TEST_CASE("classes that the model does not have are refused by name") {
  CHECK(contains(
      refusal({"cat", "fox"}, kAnimals, ClassOrder::kAuto),
      "val: its class fox is none of the 3 that the weights know; "));
  CHECK(contains(
      refusal({"1", "3"}, kAnimals, ClassOrder::kAuto), "class 3 is no number from 0 to 2"));
  CHECK(contains(refusal({"cat"}, kAnimals, ClassOrder::kNumeric), "class cat is no number"));
  CHECK(contains(
      refusal({"a", "b", "c", "d"}, kAnimals, ClassOrder::kText), "has 4 classes, the model 3"));
}

TEST_CASE("only decimal digits make a class number") {
  CHECK(parse_class_number("42") == 42);
  for (const char* text : {"", "-1", "-0", "+1", "1x", " 1", "1 ", "1.0", "99999999999999999999"}) {
    INFO(text);
    CHECK(parse_class_number(text) == -1);
  }
}

}  // namespace
}  // namespace vim::data
