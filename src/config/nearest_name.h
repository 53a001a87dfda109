// "Did you mean ...?"
#pragma once

#include <string_view>
#include <vector>

namespace vim::config {

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (restricted
/// Damerau-Levenshtein distance).
size_t edit_distance(std::string_view a, std::string_view b);

/// The name nearest to `word`, the first of several, or "" if none is within a third of the word's
/// length (at least 2 edits are always allowed).
std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace vim::config
