// A scanner that knows just enough YAML to see nesting and node properties. Where it cannot follow
// the parser's view of the text it errs towards refusing; two plain caps (all brackets,
// indentation) bound the parser's recursion even if it should ever be fooled.
#include "src/config/yaml_limits.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "src/core/error.h"

namespace vim::config {
namespace {

constexpr size_t kMaxBrackets = 1024;
constexpr size_t kMaxIndentation = 256;  // columns, "- " included

[[noreturn]] void fail(const std::string& name, int64_t line, const std::string& what) {
  throw Error(name + ":" + std::to_string(line) + ": " + what);
}

// Length of the UTF-8 sequence at `position`, 0 if it is not valid (overlong forms, surrogates and
// values above U+10FFFF included).
size_t utf8_length(std::string_view text, size_t position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() - position < length) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  const unsigned second = byte(1);
  const bool is_outside = (first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) ||
                          (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90);
  return is_outside ? 0 : length;
}

// Tab, line feed, and carriage return in front of a line feed are the only controls that may
// appear.
bool is_refused_control(std::string_view text, size_t position) {
  const auto c = static_cast<unsigned char>(text[position]);
  if (c == '\r') {
    return position + 1 >= text.size() || text[position + 1] != '\n';
  }
  return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7F;
}

void check_characters(std::string_view text, const std::string& name) {
  int64_t line = 1;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) {
      fail(name, line, "not valid UTF-8; save the file as UTF-8 text");
    }
    if (is_refused_control(text, i)) {
      fail(name, line, "a control character stands in the text; save the file as plain text");
    }
    line += text[i] == '\n' ? 1 : 0;
    i += length;
  }
}

class StructureScanner {
 public:
  StructureScanner(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void run() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    position_ = text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    line_start_ = position_;
    for (; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '\n') {
        end_line();
      } else if (quote_ != '\0') {
        scan_quoted(c);
      } else if (!in_comment_) {
        scan_plain(c);
      }
    }
    end_line();
  }

 private:
  void end_line() {
    if (quote_ != '\0') {
      fail(name_, line_, "a quoted text does not end on its line; close the quote");
    }
    ++line_;
    line_start_ = position_ + 1;
    in_comment_ = false;
    is_line_blank_ = true;
    may_start_node_ = true;
    after_break_ = true;
  }

  void scan_quoted(char c) {
    if (quote_ == '"' && c == '\\') {
      ++position_;  // the escaped character; a line feed there ends the line all the same
      if (next(0) == '\n') {
        end_line();
      }
      return;
    }
    if (c != quote_) {
      return;
    }
    if (quote_ == '\'' && next(1) == '\'') {
      ++position_;
      return;
    }
    quote_ = '\0';
    after_break_ = true;
  }

  void scan_plain(char c) {
    if (c == ' ' || c == '\t' || c == '\r') {
      after_break_ = true;
      return;
    }
    if (c == '#' && after_break_) {
      in_comment_ = true;
      return;
    }
    if (is_line_blank_) {
      is_line_blank_ = false;
      enter_column();
    }
    if (may_start_node_ && starts_node(c)) {
      return;
    }
    scan_brackets(c);
    const bool is_separator = c == '[' || c == '{' || c == ',';
    may_start_node_ = is_separator || (c == ':' && is_blank(next(1)));
    after_break_ = is_separator || c == ']' || c == '}';
  }

  // Handles what counts only where a node may begin. True if the character needs nothing more.
  bool starts_node(char c) {
    const bool is_alone = is_blank(next(1));
    if (c == '-' && is_alone) {
      ++position_;
      enter_column();
      --position_;
      return true;
    }
    if (c == '"' || c == '\'') {
      quote_ = c;
      may_start_node_ = false;
      return true;
    }
    if (c == '&' || c == '*' || c == '!') {
      fail(name_, line_, "anchors, aliases and tags are not accepted; write the value itself");
    }
    if (c == '|' || c == '>' || c == '%' || (c == '?' && is_alone)) {
      fail(
          name_,
          line_,
          "block texts, directives and complex keys are not accepted; write key: value");
    }
    return false;
  }

  void scan_brackets(char c) {
    if (c == '[' || c == '{') {
      ++flow_depth_;
      if (++num_brackets_ > kMaxBrackets) {
        fail(name_, line_, "more than 1024 brackets; this is no configuration");
      }
      check_depth();
    } else if ((c == ']' || c == '}') && flow_depth_ > 0) {
      --flow_depth_;
    }
  }

  // Block levels are the columns at which the enclosing lines and their "- " begin.
  void enter_column() {
    const size_t column = position_ - line_start_;
    if (column > kMaxIndentation) {
      fail(name_, line_, "indented by more than 256 columns; indent less");
    }
    while (!columns_.empty() && columns_.back() > column) {
      columns_.pop_back();
    }
    if (columns_.empty() || columns_.back() < column) {
      columns_.push_back(column);
    }
    check_depth();
  }

  void check_depth() const {
    if (static_cast<int>(columns_.size()) + flow_depth_ > kMaxYamlDepth) {
      fail(name_, line_, "nested more than 32 deep; a configuration has sections and keys only");
    }
  }

  char next(size_t distance) const {
    return position_ + distance < text_.size() ? text_[position_ + distance] : '\n';
  }

  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  std::string_view text_;
  const std::string& name_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  int64_t line_ = 1;
  char quote_ = '\0';
  bool in_comment_ = false;
  bool is_line_blank_ = true;
  bool may_start_node_ = true;
  bool after_break_ = true;  // a # here starts a comment
  int flow_depth_ = 0;
  size_t num_brackets_ = 0;
  std::vector<size_t> columns_;
};

}  // namespace

void check_yaml_limits(std::string_view text, const std::string& name) {
  if (text.size() > kMaxYamlSize) {
    throw Error(
        name + ": " + std::to_string(text.size()) +
        " bytes, more than 1 MiB; this is no configuration, check the path");
  }
  check_characters(text, name);
  StructureScanner(text, name).run();
}

}  // namespace vim::config
