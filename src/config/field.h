// One configuration key: what it is called, what it takes, where it is kept. The table of all
// fields drives parsing, printing, documentation and error messages.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/config/run_config.h"
#include "src/config/value.h"

namespace vim::config {

struct Field {
  std::string_view key;                 // "optim.lr"
  std::string_view doc;                 // one line, printed as a comment
  std::string expected;                 // what it takes, after "use": "an integer from 1 to 256"
  std::vector<std::string_view> words;  // the words it takes, for "did you mean"

  /// Stores the value; false, with nothing changed, if it does not fit.
  std::function<bool(RunConfig&, const Value&)> set;

  /// The stored value as YAML text. The configuration is not changed.
  std::function<std::string(RunConfig&)> get;
};

/// All fields, section by section, in the order in which they are printed.
const std::vector<Field>& all_fields();

/// The field of that key, or nullptr.
const Field* find_field(std::string_view key);

/// Section names in the order in which they are printed.
std::vector<std::string_view> section_names();

/// "optim" and "lr" of "optim.lr".
std::pair<std::string_view, std::string_view> split_key(std::string_view key);

/// The parts of the table, each in a source of its own.
std::vector<Field> model_fields();
std::vector<Field> data_fields();
std::vector<Field> train_fields();

}  // namespace vim::config
