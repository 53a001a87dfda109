// The walk over yaml-cpp's nodes.
#include "src/config/yaml_document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "src/config/nearest_name.h"
#include "src/config/yaml_limits.h"
#include "src/core/error.h"

namespace vim::config {
namespace {

int64_t line_of(const YAML::Node& node) { return int64_t{node.Mark().line} + 1; }

// Takes the parser's events and refuses what the scanner of yaml_limits.cpp should have refused, in
// case the two ever read a text differently.
class PropertyGuard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { check(mark, "?", anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { check(mark, "?", anchor); }
  void OnScalar(
      const YAML::Mark& mark,
      const std::string& tag,
      YAML::anchor_t anchor,
      const std::string& /*value*/) override {
    check(mark, tag, anchor);
  }
  void OnSequenceStart(
      const YAML::Mark& mark,
      const std::string& tag,
      YAML::anchor_t anchor,
      YAML::EmitterStyle::value /*style*/) override {
    check(mark, tag, anchor);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(
      const YAML::Mark& mark,
      const std::string& tag,
      YAML::anchor_t anchor,
      YAML::EmitterStyle::value /*style*/) override {
    check(mark, tag, anchor);
  }
  void OnMapEnd() override {}

 private:
  // yaml-cpp gives plain nodes the tag "?", quoted ones "!".
  static void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    const bool is_untagged = tag.empty() || tag == "?" || tag == "!";
    if (!is_untagged || anchor != YAML::NullAnchor) {
      throw YAML::ParserException(mark, "anchors, aliases and tags are not accepted");
    }
  }
};

// The text's one document. YAML::LoadAll is no choice: it does not return from some broken texts.
YAML::Node load(std::string_view text, const std::string& name) {
  check_yaml_limits(text, name);
  const std::string copy(text);
  try {
    std::istringstream stream(copy);
    YAML::Parser parser(stream);
    PropertyGuard guard;
    if (parser.HandleNextDocument(guard) && parser.HandleNextDocument(guard)) {
      throw Error(
          name +
          ": holds more than one YAML document or a stray bracket; remove what follows the "
          "first document");
    }
    return YAML::Load(copy);
  } catch (const YAML::Exception& error) {
    const int64_t line = std::max(0, error.mark.line) + int64_t{1};
    throw Error(fmt::format("{}:{}: not valid YAML ({}); correct the line", name, line, error.msg));
  }
}

Value read_value(const YAML::Node& node) {
  Value value;
  if (node.IsNull() || !node.IsDefined()) {
    return value;
  }
  if (node.IsScalar()) {
    value.kind = Value::Kind::kScalar;
    value.items = {node.Scalar()};
    value.is_quoted = node.Tag() == "!";  // yaml-cpp's mark of a quoted scalar
    return value;
  }
  const bool is_flat =
      node.IsSequence() &&
      std::all_of(node.begin(), node.end(), [](const auto& n) { return n.IsScalar(); });
  if (!is_flat) {
    value.kind = Value::Kind::kOther;
    return value;
  }
  value.kind = Value::Kind::kList;
  for (const YAML::Node& item : node) {
    value.items.push_back(item.Scalar());
  }
  return value;
}

class DocumentReader {
 public:
  DocumentReader(
      const std::string& name, const std::vector<std::string_view>& sections, Problems& problems)
      : name_(name), sections_(sections), problems_(problems) {}

  std::vector<Assignment> read(const YAML::Node& root) {
    if (root.IsNull()) {
      return {};
    }
    if (!root.IsMap()) {
      problems_.add(origin_of(root), "", "expected sections; write section: and its keys below");
      return {};
    }
    for (const auto& entry : root) {
      read_section(entry.first, entry.second);
    }
    return std::move(assignments_);
  }

 private:
  Origin origin_of(const YAML::Node& node) const { return file_origin(name_, line_of(node)); }

  void read_section(const YAML::Node& name, const YAML::Node& section) {
    const std::string key = scalar_key(name, "");
    if (key.empty()) {
      return;
    }
    if (std::find(sections_.begin(), sections_.end(), key) == sections_.end()) {
      problems_.add(origin_of(name), key, unknown_section(key));
      return;
    }
    if (section.IsNull()) {
      return;
    }
    if (!section.IsMap()) {
      problems_.add(
          origin_of(name),
          key,
          describe(read_value(section)) + " stands here; write keys below it");
      return;
    }
    for (const auto& entry : section) {
      const std::string leaf = scalar_key(entry.first, key + ".");
      if (!leaf.empty()) {
        assignments_.push_back({leaf, read_value(entry.second), origin_of(entry.first)});
      }
    }
  }

  std::string unknown_section(const std::string& key) const {
    const std::string_view nearest = nearest_name(key, sections_);
    return nearest.empty()
               ? fmt::format("unknown section; use one of {}", fmt::join(sections_, ", "))
               : fmt::format("unknown section; did you mean {}?", nearest);
  }

  // The full key, or "" after noting what is wrong with it.
  std::string scalar_key(const YAML::Node& node, const std::string& prefix) {
    if (!node.IsScalar() || node.Scalar().empty()) {
      problems_.add(origin_of(node), "", "a key is missing or no plain word; write key: value");
      return "";
    }
    const std::string key = prefix + node.Scalar();
    const auto [first, is_new] = lines_.emplace(key, line_of(node));
    if (!is_new) {
      problems_.add(
          origin_of(node),
          key,
          fmt::format("set twice, first in line {}; remove one of them", first->second));
      return "";
    }
    return key;
  }

  const std::string& name_;
  const std::vector<std::string_view>& sections_;
  Problems& problems_;
  std::map<std::string, int64_t> lines_;
  std::vector<Assignment> assignments_;
};

}  // namespace

std::vector<Assignment> read_document(
    std::string_view text,
    const std::string& name,
    const std::vector<std::string_view>& sections,
    Problems& problems) {
  return DocumentReader(name, sections, problems).read(load(text, name));
}

Assignment read_override(const std::string& argument, Problems& problems) {
  Assignment assignment;
  assignment.origin.where = "--set " + argument;
  assignment.origin.is_override = true;
  const size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems.add(assignment.origin, "", "no value; write --set section.key=value");
    return assignment;
  }
  try {
    assignment.value = read_value(load(argument.substr(equals + 1), assignment.origin.where));
    assignment.key = argument.substr(0, equals);
  } catch (const Error&) {
    problems.add(
        assignment.origin, "", "the value is not valid YAML; write a number, a text or [a, b]");
  }
  return assignment;
}

}  // namespace vim::config
