// Two forms, told apart by the first character: a JSON list, or lines of text.
#include "src/data/source/label_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "src/core/error.h"
#include "src/data/source/found_images.h"
#include "src/data/source/image_finder.h"
#include "src/data/source/read_file.h"
#include "src/data/source/text_lines.h"

namespace vim::data {
namespace {

constexpr size_t kMaxSize = size_t{256} << 20;  // bytes; a line each for a million images fits

// ---- JSON

// The number in ILSVRC2012_val_00000123.JPEG, or -1.
int64_t validation_number(const std::string& name) {
  constexpr std::string_view kPrefix = "ILSVRC2012_val_";
  const std::string base(base_part(name));
  if (!base.starts_with(kPrefix)) {
    return -1;
  }
  const size_t end = std::min(base.find('.'), base.size());
  return parse_class_number(base.substr(kPrefix.size(), end - kPrefix.size()));
}

// By image number its place in the order of the validation images.
std::vector<int64_t> validation_places(
    const Dataset& dataset, int64_t num_entries, const std::string& where) {
  std::vector<int64_t> order(static_cast<size_t>(dataset.size()));
  std::iota(order.begin(), order.end(), 0);
  std::vector<int64_t> places = order;
  const bool has_numbers = std::all_of(order.begin(), order.end(), [&](int64_t i) {
    const int64_t number = validation_number(dataset.name(i));
    places[static_cast<size_t>(i)] = number - 1;
    return number >= 1 && number <= num_entries;
  });
  if (has_numbers) {
    return places;
  }
  if (num_entries != dataset.size()) {
    throw Error(fmt::format(
        "{}: holds {} entries for {} images; entries belong to the images in the order of their "
        "file names, one each",
        where,
        num_entries,
        dataset.size()));
  }
  std::stable_sort(order.begin(), order.end(), [&dataset](int64_t a, int64_t b) {
    return base_part(dataset.name(a)) < base_part(dataset.name(b));
  });
  for (size_t place = 0; place < order.size(); ++place) {
    places[static_cast<size_t>(order[place])] = static_cast<int64_t>(place);
  }
  return places;
}

std::vector<int64_t> read_entry(
    const nlohmann::json& entry,
    size_t index,
    const ModelClasses& model,
    const std::string& where) {
  std::vector<int64_t> labels;
  for (const nlohmann::json& label : entry.is_array() ? entry : nlohmann::json()) {
    const int64_t number = label.is_number_integer() ? label.get<int64_t>() : -1;
    if (number < 0 || number >= model.num_classes) {
      throw Error(fmt::format(
          "{}: entry {}: {} is no class number from 0 to {}; give labels of the model's classes",
          where,
          index,
          label.dump(),
          model.num_classes - 1));
    }
    labels.push_back(number);
  }
  if (!entry.is_array()) {
    throw Error(fmt::format(
        "{}: entry {} is no list; expected a list of class numbers for each image", where, index));
  }
  return labels;
}

LabelSets read_json(
    const std::string& text,
    const Dataset& dataset,
    const ModelClasses& model,
    const std::string& where) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) {
    throw Error(where + ": is no JSON list; expected [[1], [2, 3], [], ...]");
  }
  const auto places = validation_places(dataset, static_cast<int64_t>(json.size()), where);
  LabelSets sets;
  for (const int64_t place : places) {
    const auto index = static_cast<size_t>(place);
    sets.push_back(read_entry(json[index], index, model, where));
  }
  return sets;
}

// ---- Text

int64_t read_class(
    const std::string& word,
    const std::map<std::string, int64_t>& names,
    const ModelClasses& model,
    const std::string& where) {
  const int64_t number = parse_class_number(word);
  if (number >= 0 && number < model.num_classes) {
    return number;
  }
  const auto found = names.find(word);
  if (number < 0 && found != names.end()) {
    return found->second;
  }
  throw Error(fmt::format(
      "{}: there is no class {}; write a number from 0 to {}{}",
      where,
      word,
      model.num_classes - 1,
      names.empty() ? "" : " or a class name"));
}

void require_all(
    const Dataset& dataset, const std::vector<bool>& is_named, const std::string& where) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (!is_named[static_cast<size_t>(i)]) {
      throw Error(fmt::format(
          "{}: has no line for {}; add one, without a label if the image is not to count",
          where,
          dataset.name(i)));
    }
  }
}

LabelSets read_text(
    const std::string& text,
    const Dataset& dataset,
    const ModelClasses& model,
    const std::string& file) {
  const ImageFinder images(dataset);
  std::map<std::string, int64_t> names;
  for (size_t i = 0; i < model.names.size(); ++i) {
    names.emplace(model.names[i], static_cast<int64_t>(i));
  }
  LabelSets sets(static_cast<size_t>(dataset.size()));
  std::vector<bool> is_named(sets.size(), false);
  for (const auto& [number, words] : split_lines(text)) {
    const std::string where = fmt::format("{}:{}", file, number);
    const auto image = static_cast<size_t>(images.find(words.front(), where));
    if (is_named[image]) {
      throw Error(fmt::format("{}: {} is named before; name it once", where, words.front()));
    }
    is_named[image] = true;
    for (size_t i = 1; i < words.size(); ++i) {
      sets[image].push_back(read_class(words[i], names, model, where));
    }
  }
  require_all(dataset, is_named, file);
  return sets;
}

}  // namespace

LabelSets read_label_file(
    const std::filesystem::path& path, const Dataset& dataset, const ModelClasses& model) {
  const std::string file = path.string();
  const std::vector<uint8_t> bytes = read_file(file);
  if (bytes.size() > kMaxSize) {
    throw Error(
        fmt::format("{}: {} bytes are too many for labels; check the file", file, bytes.size()));
  }
  const std::string text(bytes.begin(), bytes.end());
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && text[first] == '[';
  return is_json ? read_json(text, dataset, model, file) : read_text(text, dataset, model, file);
}

}  // namespace vim::data
