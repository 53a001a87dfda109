// Everything is counted from the likeliest classes, on the host: five numbers an image.
#include "src/train/class_report.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "src/core/atomic_file.h"

namespace vim::train {
namespace {

bool holds(const std::vector<int64_t>& classes, int64_t one) {
  return std::find(classes.begin(), classes.end(), one) != classes.end();
}

void count(ClassCounts& counts, bool is_top1, bool is_top5) {
  ++counts.images;
  counts.top1 += is_top1 ? 1 : 0;
  counts.top5 += is_top5 ? 1 : 0;
}

std::string class_name(const std::vector<std::string>& names, size_t index) {
  return index < names.size() ? names[index] : std::to_string(index);
}

// RFC 4180: a field with commas, quotes or line ends stands in quotes, its own quotes doubled.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted(1, '"');
  for (const char c : text) {
    quoted.append(c == '"' ? 2 : 1, c);
  }
  quoted += '"';
  return quoted;
}

std::string percent(int64_t hits, int64_t images) {
  return images == 0
             ? ""
             : fmt::format(
                   "{:.4f}", 100.0 * static_cast<double>(hits) / static_cast<double>(images));
}

}  // namespace

ClassReport count_classes(
    const at::Tensor& top, const std::vector<std::vector<int64_t>>& right, int64_t num_classes) {
  TORCH_CHECK(
      top.dim() == 2 && top.size(0) == static_cast<int64_t>(right.size()) &&
          top.scalar_type() == at::kLong,
      "count_classes: top must be (num_images, k), int64, for ",
      right.size(),
      " images, got ",
      top.sizes());
  ClassReport report;
  report.classes.resize(static_cast<size_t>(num_classes));
  const auto predicted = top.accessor<int64_t, 2>();
  for (int64_t i = 0; i < top.size(0); ++i) {
    const std::vector<int64_t>& classes = right[static_cast<size_t>(i)];
    if (classes.empty()) {
      continue;
    }
    const int64_t first = predicted[i][0];
    const bool is_top1 = holds(classes, first);
    bool is_top5 = is_top1;
    for (int64_t place = 1; place < top.size(1); ++place) {
      is_top5 = is_top5 || holds(classes, predicted[i][place]);
    }
    count(report.all, is_top1, is_top5);
    for (const int64_t one : classes) {
      count(report.classes.at(static_cast<size_t>(one)), is_top1, is_top5);
    }
    if (first >= 0) {
      ++report.confusion[{is_top1 ? first : classes.front(), first}];
    }
  }
  return report;
}

void write_per_class(
    const std::filesystem::path& path,
    const ClassReport& report,
    const std::vector<std::string>& names) {
  std::string text = "class,name,images,right1,right5,acc1,acc5\n";
  for (size_t i = 0; i < report.classes.size(); ++i) {
    const ClassCounts& counts = report.classes[i];
    text += fmt::format(
        "{},{},{},{},{},{},{}\n",
        i,
        csv_field(class_name(names, i)),
        counts.images,
        counts.top1,
        counts.top5,
        percent(counts.top1, counts.images),
        percent(counts.top5, counts.images));
  }
  core::write_file_atomically(path, text);
}

void write_confusion(
    const std::filesystem::path& path,
    const ClassReport& report,
    const std::vector<std::string>& names) {
  const auto num_classes = static_cast<int64_t>(report.classes.size());
  std::string text = "true\\predicted";
  for (int64_t i = 0; i < num_classes; ++i) {
    text += ',';
    text += csv_field(class_name(names, static_cast<size_t>(i)));
  }
  text += '\n';
  for (int64_t row = 0; row < num_classes; ++row) {
    text += csv_field(class_name(names, static_cast<size_t>(row)));
    for (int64_t column = 0; column < num_classes; ++column) {
      const auto found = report.confusion.find({row, column});
      text += fmt::format(",{}", found == report.confusion.end() ? 0 : found->second);
    }
    text += '\n';
  }
  core::write_file_atomically(path, text);
}

}  // namespace vim::train
