// One include for Catch2 v2 (Debian 12) and v3 (Ubuntu 24.04): the tests use only what both offer.
#pragma once

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
// v2's names for what v3 moved and renamed.
namespace Catch {
using Matchers::StartsWith;
inline Matchers::StringContainsMatcher Contains(const std::string& text) {
  return Matchers::ContainsSubstring(text);
}
}  // namespace Catch
#else
#include <catch2/catch.hpp>
#endif
