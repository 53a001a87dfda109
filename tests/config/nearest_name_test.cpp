#include "src/config/nearest_name.h"

#include "tests/support/catch.h"

using vim::config::edit_distance;
using vim::config::nearest_name;

TEST_CASE("edit distance counts insertions, deletions, substitutions and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("depht", "depth") == 1);
  CHECK(edit_distance("ca", "abc") == 3);  // restricted: a swapped pair is not edited again
}

TEST_CASE("the nearest name is found, the first among equals, none if all are far") {
  CHECK(nearest_name("lrr", {"eps", "lr", "betas"}) == "lr");
  CHECK(nearest_name("ab", {"ac", "ad"}) == "ac");
  CHECK(nearest_name("zzzzzz", {"lr", "eps"}).empty());
  CHECK(nearest_name("token_flip_ratio", {"token_flip_prob"}) == "token_flip_prob");
  CHECK(nearest_name("x", {}).empty());
}
