// The table put together.
#include "src/config/field.h"

#include <algorithm>
#include <iterator>

namespace vim::config {

const std::vector<Field>& all_fields() {
  static const std::vector<Field> fields = [] {
    std::vector<Field> table;
    for (auto part : {model_fields, data_fields, train_fields}) {
      std::vector<Field> rows = part();
      std::move(rows.begin(), rows.end(), std::back_inserter(table));
    }
    return table;
  }();
  return fields;
}

const Field* find_field(std::string_view key) {
  const std::vector<Field>& fields = all_fields();
  const auto found = std::find_if(
      fields.begin(), fields.end(), [key](const Field& field) { return field.key == key; });
  return found == fields.end() ? nullptr : &*found;
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const Field& field : all_fields()) {
    const std::string_view section = split_key(field.key).first;
    if (names.empty() || names.back() != section) {
      names.push_back(section);
    }
  }
  return names;
}

std::pair<std::string_view, std::string_view> split_key(std::string_view key) {
  const size_t dot = key.find('.');
  if (dot == std::string_view::npos) {
    return {key, {}};
  }
  return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace vim::config
