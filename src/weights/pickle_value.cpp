// Access and text.
#include "src/weights/pickle_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

constexpr size_t kLongestText = 200;
constexpr int kDeepestText = 4;

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  const bool is_whole = text.find_first_not_of("-0123456789") == std::string::npos;
  return is_whole ? text.append(".0") : text;
}

// Appends Python's notation to `text`, which ends the walk once it is long enough.
class TextWriter {
 public:
  explicit TextWriter(std::string& text) : text_(text) {}

  void write(const PickleValue& value, int depth) {
    switch (value.kind) {
      case PickleKind::kString:
        text_ += fmt::format("'{}'", value.text.substr(0, kLongestText));
        return;
      case PickleKind::kBytes:
        text_ += fmt::format("b'{}'", value.text.substr(0, kLongestText));
        return;
      case PickleKind::kList:
        return write_items(value, "[", "]", depth);
      case PickleKind::kTuple:
        return write_items(value, "(", value.items.size() == 1 ? ",)" : ")", depth);
      case PickleKind::kSet:
        return write_items(value, "{", "}", depth);
      case PickleKind::kDict:
        return write_pairs(value, depth);
      default:
        text_ += short_text(value);
    }
  }

 private:
  bool is_full(int depth) const { return depth > kDeepestText || text_.size() > kLongestText; }

  void write_items(const PickleValue& value, const char* open, const char* close, int depth) {
    text_ += open;
    bool is_first = true;
    for (const PickleValue* item : value.items) {
      text_ += is_first ? "" : ", ";
      is_first = false;
      if (is_full(depth)) {
        text_ += "...";
        break;
      }
      write(*item, depth + 1);
    }
    text_ += close;
  }

  void write_pairs(const PickleValue& value, int depth) {
    text_ += "{";
    bool is_first = true;
    for (const auto& [key, entry] : value.pairs) {
      text_ += is_first ? "" : ", ";
      is_first = false;
      if (is_full(depth)) {
        text_ += "...";
        break;
      }
      write(*key, depth + 1);
      text_ += ": ";
      write(*entry, depth + 1);
    }
    text_ += "}";
  }

  std::string& text_;
};

std::string tensor_text(const TorchTensor& tensor) {
  return fmt::format("tensor {} [{}]", type_name(tensor.type), fmt::join(tensor.shape, ", "));
}

}  // namespace

const PickleValue* PickleValue::find(std::string_view key) const {
  if (kind != PickleKind::kDict) {
    return nullptr;
  }
  for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
    if (pair->first->is(PickleKind::kString) && pair->first->text == key) {
      return pair->second;
    }
  }
  return nullptr;
}

const PickleValue* PickleValue::attributes() const {
  if (kind != PickleKind::kOpaque || state == nullptr) {
    return nullptr;
  }
  // With slots the state is a pair, the dict first.
  const bool is_pair = state->is(PickleKind::kTuple) && !state->items.empty();
  const PickleValue* dict = is_pair ? state->items.front() : state;
  return dict->is(PickleKind::kDict) ? dict : nullptr;
}

std::optional<double> PickleValue::number() const {
  if (kind == PickleKind::kFloat) {
    return real;
  }
  if (kind == PickleKind::kInt || kind == PickleKind::kBool) {
    return static_cast<double>(integer);
  }
  return std::nullopt;
}

std::string describe(const PickleValue& value) {
  switch (value.kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return "a truth value";
    case PickleKind::kInt:
    case PickleKind::kBigInt:
    case PickleKind::kFloat:
      return "a number";
    case PickleKind::kString:
      return "a text";
    case PickleKind::kBytes:
      return "bytes";
    case PickleKind::kList:
    case PickleKind::kTuple:
    case PickleKind::kSet:
      return "a list";
    case PickleKind::kDict:
      return "a dictionary";
    case PickleKind::kTensor:
      return "a tensor";
    case PickleKind::kStorage:
      return "a storage";
    case PickleKind::kGlobal:
      return "the name " + printable(value.text);
    case PickleKind::kOpaque:
      return "an object of " + printable(value.text) + ", which is never run";
  }
  return "nothing known";
}

std::string short_text(const PickleValue& value) {
  switch (value.kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return value.integer != 0 ? "True" : "False";
    case PickleKind::kInt:
      return std::to_string(value.integer);
    case PickleKind::kFloat:
      return real_text(value.real);
    case PickleKind::kBigInt:
    case PickleKind::kString:
    case PickleKind::kBytes:
      return printable(value.text);
    case PickleKind::kTensor:
      return tensor_text(*value.tensor);
    case PickleKind::kStorage:
      return "storage " + printable(value.storage->key);
    case PickleKind::kGlobal:
    case PickleKind::kOpaque:
      return fmt::format("<{}>", printable(value.text));
    default:
      break;
  }
  std::string text;
  TextWriter(text).write(value, 0);
  return text;
}

}  // namespace vim::weights
