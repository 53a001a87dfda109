// Names are matched first: a folder's name says more than its place.
#include "src/data/source/class_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include "src/core/error.h"

namespace vim::data {
namespace {

std::map<std::string, int64_t> numbers_by_name(const std::vector<std::string>& names) {
  std::map<std::string, int64_t> numbers;
  for (size_t i = 0; i < names.size(); ++i) {
    numbers.emplace(names[i], static_cast<int64_t>(i));
  }
  return numbers;
}

bool are_numbers(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return parse_class_number(name) >= 0;
  });
}

std::vector<int64_t> by_name(
    const std::vector<std::string>& set_names,
    const std::vector<std::string>& model_names,
    const std::string& where) {
  const auto numbers = numbers_by_name(model_names);
  std::vector<int64_t> classes;
  for (const std::string& name : set_names) {
    const auto found = numbers.find(name);
    if (found == numbers.end()) {
      throw Error(fmt::format(
          "{}: its class {} is none of the {} that the weights know; give the images in folders "
          "of those names, or pass --class-order text if only the names differ",
          where,
          name,
          model_names.size()));
    }
    classes.push_back(found->second);
  }
  return classes;
}

std::vector<int64_t> by_number(
    const std::vector<std::string>& set_names, int64_t num_classes, const std::string& where) {
  std::vector<int64_t> classes;
  for (const std::string& name : set_names) {
    const int64_t number = parse_class_number(name);
    if (number < 0 || number >= num_classes) {
      throw Error(fmt::format(
          "{}: its class {} is no number from 0 to {}; rename the folder, or pass --class-order "
          "text",
          where,
          name,
          num_classes - 1));
    }
    classes.push_back(number);
  }
  return classes;
}

std::vector<int64_t> by_place(size_t size, int64_t num_classes, const std::string& where) {
  if (static_cast<int64_t>(size) > num_classes) {
    throw Error(fmt::format(
        "{}: has {} classes, the model {}; give images of the model's classes",
        where,
        size,
        num_classes));
  }
  std::vector<int64_t> classes(size);
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

bool holds_all(
    const std::vector<std::string>& set_names, const std::vector<std::string>& model_names) {
  const auto numbers = numbers_by_name(model_names);
  return std::all_of(set_names.begin(), set_names.end(), [&numbers](const std::string& name) {
    return numbers.contains(name);
  });
}

}  // namespace

int64_t parse_class_number(const std::string& text) {
  int64_t number = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end && number >= 0 && text.front() != '-' ? number : -1;
}

std::vector<int64_t> find_model_classes(
    const std::vector<std::string>& set_names,
    const ModelClasses& model,
    ClassOrder order,
    const std::string& where) {
  switch (order) {
    case ClassOrder::kText:
      return by_place(set_names.size(), model.num_classes, where);
    case ClassOrder::kNumeric:
      return by_number(set_names, model.num_classes, where);
    case ClassOrder::kAuto:
      break;
  }
  if (holds_all(set_names, model.names)) {
    return by_name(set_names, model.names, where);
  }
  if (are_numbers(set_names)) {
    return by_number(set_names, model.num_classes, where);
  }
  return model.names.empty() ? by_place(set_names.size(), model.num_classes, where)
                             : by_name(set_names, model.names, where);
}

}  // namespace vim::data
