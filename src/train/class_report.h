// Counts behind an accuracy: by class, and which class was taken for which.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vim::train {

/// Images of one class, and those among them whose likeliest class was right, or one of the five
/// likeliest.
struct ClassCounts {
  int64_t images = 0;
  int64_t top1 = 0;
  int64_t top5 = 0;

  bool operator==(const ClassCounts&) const = default;
};

struct ClassReport {
  ClassCounts all;                   // images that count, each once
  std::vector<ClassCounts> classes;  // by class; an image counts under each of its classes
  std::map<std::pair<int64_t, int64_t>, int64_t> confusion;  // (true, predicted): images, if any
};

/// Counts images whose classes in `top`, (num_images, up to 5) as top_classes gives them, on the
/// CPU, are among the image's entry of `right`, a set of classes. An image without any is not
/// counted. In the confusion matrix a wrong image stands under the first of its classes, a right
/// one under the predicted class, one without a finite logit nowhere. Integers alone: the counts do
/// not depend on any order.
ClassReport count_classes(
    const at::Tensor& top, const std::vector<std::vector<int64_t>>& right, int64_t num_classes);

/// Writes a table `class,name,images,right1,right5,acc1,acc5`, accuracies in percent, empty for a
/// class without images. Classes beyond `names` are called by their number. Throws vim::Error.
void write_per_class(
    const std::filesystem::path& path,
    const ClassReport& report,
    const std::vector<std::string>& names);

/// Writes a table with a row for each true class and a column for each predicted one. Throws
/// vim::Error.
void write_confusion(
    const std::filesystem::path& path,
    const ClassReport& report,
    const std::vector<std::string>& names);

}  // namespace vim::train
