// What is refused before yaml-cpp sees it, and what is not.
#include "src/config/yaml_limits.h"

#include <string>

#include "src/core/error.h"
#include "tests/support/catch.h"

using vim::config::check_yaml_limits;

namespace {

std::string limits_error(const std::string& text) {
  try {
    check_yaml_limits(text, "f");
    return "";
  } catch (const vim::Error& error) {
    return error.what();
  }
}

std::string repeated(const std::string& part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += part;
  }
  return text;
}

// Keys, each one column deeper than the one before.
std::string stairs(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += std::string(static_cast<size_t>(i), ' ') + "k:\n";
  }
  return text;
}

}  // namespace

TEST_CASE("one MiB is taken, one byte more is not") {
  CHECK(limits_error(std::string(1 << 20, ' ')).empty());
  CHECK_THAT(limits_error(std::string((1 << 20) + 1, ' ')), Catch::StartsWith("f: 1048577 bytes"));
}

TEST_CASE("nesting is taken to 32 levels and refused beyond, in every style") {
  CHECK(limits_error(stairs(32)).empty());
  CHECK_THAT(limits_error(stairs(33)), Catch::StartsWith("f:33: nested more than 32 deep"));
  // One level is the line itself.
  CHECK(limits_error("a: " + repeated("[", 31)).empty());
  for (const char* bracket : {"[", "{", "[{"}) {
    CHECK_THAT(limits_error("a: " + repeated(bracket, 32)), Catch::Contains("32 deep"));
  }
  CHECK(limits_error(repeated("- ", 30) + "a").empty());
  CHECK_THAT(limits_error(repeated("- ", 40) + "a"), Catch::Contains("32 deep"));
  CHECK_THAT(
      limits_error(stairs(20) + std::string(20, ' ') + repeated("[", 20)),
      Catch::Contains("32 deep"));
}

TEST_CASE("closed levels do not count") {
  CHECK(limits_error(repeated("a: [1, 2, {b: c}]\n", 100)).empty());
  CHECK(limits_error(repeated(stairs(30), 30)).empty());
}

TEST_CASE("brackets and indentation are capped whatever their nesting") {
  CHECK_THAT(limits_error(repeated("[]", 1025)), Catch::Contains("1024 brackets"));
  CHECK_THAT(limits_error(std::string(257, ' ') + "a"), Catch::Contains("256 columns"));
}

TEST_CASE("anchors, aliases and tags are refused where a value may stand") {
  const std::string text = GENERATE(
      "&a b",
      "k: &a b",
      "k: *a",
      "- *a",
      "k: [*a]",
      "k: [b, *a]",
      "k: {b: *a}",
      "k: !!str b",
      "! b",
      "*a : b",
      "k:\n  *a");
  INFO(text);
  CHECK_THAT(limits_error(text), Catch::Contains("anchors, aliases and tags"));
}

TEST_CASE("block texts, directives and complex keys are refused") {
  const std::string text = GENERATE("k: |\n  a", "k: >-\n  a", "%YAML 1.2", "? a\n: b", "- ? a");
  INFO(text);
  CHECK_THAT(limits_error(text), Catch::Contains("write key: value"));
}

TEST_CASE("the same characters inside texts and comments are taken") {
  const std::string text = GENERATE(
      "k: a&b*c!d|e>f%g?",
      "k: \"&a *b !c [[[[ \\\" ]]\"",
      "k: '&a *b !c it''s {{{'",
      "# &a *b !c \" ' [[[[[[",
      "k: v  # &a *b \" '",
      "k: it's",
      "k: a\"b",
      "k: http://x/y#z",
      "k: -1",
      "k: [\"a\", 'b']");
  INFO(text);
  CHECK(limits_error(text).empty());
}

TEST_CASE("a quoted text must end on its line") {
  CHECK_THAT(limits_error("a: 1\nk: \"b\n"), Catch::StartsWith("f:2: a quoted text"));
  CHECK_THAT(limits_error("k: 'b\n"), Catch::Contains("close the quote"));
  CHECK_THAT(limits_error("k: \"b\\\n\""), Catch::Contains("close the quote"));
  CHECK_THAT(limits_error("k: \"b\\"), Catch::Contains("close the quote"));
}

TEST_CASE("invalid UTF-8 and control characters are refused with their line") {
  const std::string bytes = GENERATE(
      std::string("\x80"),
      std::string("\xC3"),
      std::string("\xC0\xAF"),
      std::string("\xE0\x80\xAF"),
      std::string("\xED\xA0\x80"),
      std::string("\xF0\x80\x80\x80"),
      std::string("\xF4\x90\x80\x80"),
      std::string("\xF5\x80\x80\x80"),
      std::string("\xE2\x82"));
  CHECK_THAT(limits_error("a: b\nc: " + bytes), Catch::StartsWith("f:2: not valid UTF-8"));
  for (const char c : {'\0', '\x01', '\x1B', '\x7F'}) {
    CHECK_THAT(limits_error(std::string("a") + c), Catch::Contains("control character"));
  }
  CHECK_THAT(limits_error("a\rb"), Catch::Contains("control character"));
  CHECK(limits_error("a: \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\r\n\tb").empty());
}
