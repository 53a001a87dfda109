// The forms are told apart by the number of words on the first line.
#include "src/data/source/imagenet_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "src/core/error.h"
#include "src/data/source/class_order.h"
#include "src/data/source/mat_file.h"
#include "src/data/source/packed_files.h"
#include "src/data/source/text_lines.h"

namespace vim::data {
namespace {

constexpr std::string_view kKaggleHeader = "ImageId";

[[noreturn]] void fail(const std::string& path, const TextLine& line, const std::string& what) {
  throw Error(fmt::format("{}:{}: {}", path, line.number, what));
}

constexpr char kDevkitLabels[] = "ILSVRC2012_validation_ground_truth.txt";
constexpr char kDevkitTable[] = "meta.mat";

std::vector<uint8_t> read_devkit(const PackedFiles& files, const std::string& file) {
  std::vector<uint8_t> bytes;
  if (!files.read(file, bytes)) {
    throw Error(fmt::format(
        "{}: no such file; give ILSVRC2012_devkit_t12.tar.gz or a list of labels",
        files.name(file)));
  }
  return bytes;
}

// The development kit numbers its classes in a table of its own, those of the challenge first.
std::map<int64_t, std::string> read_devkit_synsets(const std::string& path) {
  const PackedFiles files(path);
  return read_mat_table(
      read_devkit(files, kDevkitTable),
      {.array = "synsets", .number = "ILSVRC2012_ID", .text = "WNID"},
      files.name(kDevkitTable));
}

std::vector<TextLine> read_label_lines(const std::string& path) {
  if (!is_archive_name(path)) {
    return read_text_lines(path);
  }
  const std::vector<uint8_t> bytes = read_devkit(PackedFiles(path), kDevkitLabels);
  return split_lines(std::string(bytes.begin(), bytes.end()));
}

// The classes by number, as a synset file gives them.
std::map<int64_t, std::string> read_synsets(const std::string& path) {
  if (is_archive_name(path)) {
    return read_devkit_synsets(path);
  }
  std::map<int64_t, std::string> synsets;
  for (const TextLine& line : read_text_lines(path)) {
    const int64_t number = parse_class_number(line.words.front());
    if (number >= 0 && line.words.size() < 2) {
      fail(path, line, "holds a number alone; write `NUMBER CLASS` or the class");
    }
    const int64_t key = number >= 0 ? number : static_cast<int64_t>(synsets.size()) + 1;
    if (!synsets.emplace(key, line.words[number >= 0 ? 1 : 0]).second) {
      fail(path, line, fmt::format("number {} stands here again; give each once", key));
    }
  }
  return synsets;
}

// Words of a label file to class names.
class ClassNames {
 public:
  explicit ClassNames(const LabelFiles& files) : files_(files) {
    if (!files.synsets.empty()) {
      synsets_ = read_synsets(files.synsets);
    }
  }

  bool has_numbers() const { return !files_.synsets.empty(); }

  std::string name(const std::string& word, const TextLine& line) const {
    const int64_t number = parse_class_number(word);
    if (!has_numbers() || number < 0) {
      return word;
    }
    const auto found = synsets_.find(number);
    if (found == synsets_.end()) {
      fail(
          files_.labels,
          line,
          fmt::format("{} is no number of a class in {}; check both files", word, files_.synsets));
    }
    return found->second;
  }

 private:
  const LabelFiles& files_;
  std::map<int64_t, std::string> synsets_;
};

// Finds images by file name, with or without its ending.
class ImageNames {
 public:
  ImageNames(const FoundImages& found, const std::string& path) {
    for (size_t i = 0; i < found.images.size(); ++i) {
      const std::string_view base = base_part(found.name(found.images[i]));
      if (!by_base_.emplace(base, i).second) {
        throw Error(fmt::format(
            "{}: cannot label images by name: two of them are called {}; rename one", path, base));
      }
      const auto [item, is_new] = by_stem_.emplace(base.substr(0, base.rfind('.')), i);
      if (!is_new) {
        item->second.reset();
      }
    }
  }

  std::optional<size_t> find(std::string_view name) const {
    const std::string_view base = base_part(name);
    const auto exact = by_base_.find(base);
    if (exact != by_base_.end()) {
      return exact->second;
    }
    const auto stem = by_stem_.find(base);
    return stem == by_stem_.end() ? std::nullopt : stem->second;
  }

 private:
  std::unordered_map<std::string_view, size_t> by_base_;
  std::unordered_map<std::string_view, std::optional<size_t>> by_stem_;
};

// Lines `IMAGE CLASS`.
std::vector<std::string> match_by_name(
    const std::string& path,
    std::vector<TextLine> lines,
    const ClassNames& classes,
    const FoundImages& found) {
  const bool is_kaggle = lines.front().words.front() == kKaggleHeader;  // boxes follow the class
  if (is_kaggle) {
    lines.erase(lines.begin());
  }
  const ImageNames images(found, path);
  std::vector<std::string> names(found.images.size());
  for (const TextLine& line : lines) {
    if (line.words.size() < 2 || (line.words.size() > 2 && !is_kaggle)) {
      fail(path, line, fmt::format("{} words; write `IMAGE CLASS`", line.words.size()));
    }
    const auto image = images.find(line.words[0]);
    if (!image) {
      fail(path, line, fmt::format("there is no image {}; check the name", line.words[0]));
    }
    if (!names[*image].empty()) {
      fail(path, line, fmt::format("{} stands here again; name it once", line.words[0]));
    }
    names[*image] = classes.name(line.words[1], line);
  }
  const auto missing = std::find(names.begin(), names.end(), "");
  if (missing != names.end()) {
    const auto index = static_cast<size_t>(missing - names.begin());
    throw Error(
        fmt::format("{}: has no line for {}; add one", path, found.name(found.images[index])));
  }
  return names;
}

// One class or number a line, for the images in the order of their file names.
std::vector<std::string> match_by_order(
    const std::string& path,
    const std::vector<TextLine>& lines,
    const ClassNames& classes,
    const FoundImages& found) {
  if (lines.size() != found.images.size()) {
    throw Error(fmt::format(
        "{}: holds {} labels for {} images; one line belongs to each image",
        path,
        lines.size(),
        found.images.size()));
  }
  const ImageNames unique(found, path);
  std::vector<size_t> order(found.images.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&found](size_t a, size_t b) {
    return base_part(found.name(found.images[a])) < base_part(found.name(found.images[b]));
  });
  std::vector<std::string> names(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const TextLine& line = lines[i];
    if (line.words.size() != 1) {
      fail(path, line, fmt::format("{} words; write one label", line.words.size()));
    }
    if (!classes.has_numbers() && parse_class_number(line.words[0]) >= 0) {
      fail(path, line, "labels are numbers; say in data.synsets which class each of them is");
    }
    names[order[i]] = classes.name(line.words[0], line);
  }
  return names;
}

}  // namespace

ImageLabels read_image_labels(const LabelFiles& files, const FoundImages& found) {
  LabelFiles complete = files;
  if (files.synsets.empty() && is_archive_name(files.labels)) {
    complete.synsets = files.labels;
  }
  const ClassNames classes(complete);
  std::vector<TextLine> lines = read_label_lines(files.labels);
  if (lines.empty()) {
    throw Error(fmt::format("{}: holds no labels; check the file", files.labels));
  }
  return number_classes(
      lines.front().words.size() == 1
          ? match_by_order(files.labels, lines, classes, found)
          : match_by_name(files.labels, std::move(lines), classes, found));
}

}  // namespace vim::data
