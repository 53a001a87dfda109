#include "src/train/config_diff.h"

#include "tests/support/catch.h"

namespace vim::train {

TEST_CASE("changed, absent and new keys are told by their full names") {
  const std::string before =
      "model:\n  depth: 24\n  mixer:\n    d_state: 16\ntrain:\n  epochs: 300\n";
  const std::string after =
      "# a comment: here\nmodel:\n  depth: 12\n  mixer:\n    d_state: 16\n  rope: true\n";
  CHECK(
      compare_configs(before, after) == std::vector<std::string>{
                                            "model.depth: 24 -> 12",
                                            "train.epochs: 300 -> (absent)",
                                            "model.rope: (absent) -> true"});
}

TEST_CASE("equal configurations have no differences, whatever their order") {
  CHECK(compare_configs("a:\n  x: 1\n  y: [1, 2]\n", "a:\n  y: [1, 2]\n  x: 1\n").empty());
}

}  // namespace vim::train
