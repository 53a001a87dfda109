// Which class of the model each class of an evaluation set is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vim::data {

/// kText: by place, the class names sorted as text, as training counts them. kNumeric: the names
/// are class numbers, as the folders "0" to "999" of ImageNetV2, which sorted as text would be
/// others. kAuto: by name where the model's class names hold all of the set's; else kNumeric where
/// all names are numbers; else kText where the model's names are not known.
enum class ClassOrder { kAuto, kText, kNumeric };

struct ModelClasses {
  std::vector<std::string> names;  // by class number; empty: not known
  int64_t num_classes = 0;
};

/// By class of the set, named `set_names`, the model's class. Throws vim::Error, beginning with
/// `where`, for names that the order does not allow, or more classes than the model has.
std::vector<int64_t> find_model_classes(
    const std::vector<std::string>& set_names,
    const ModelClasses& model,
    ClassOrder order,
    const std::string& where);

/// A class number in decimal digits, or -1 for any other text.
int64_t parse_class_number(const std::string& text);

}  // namespace vim::data
