// One comparison of a golden case.
#pragma once

#include <string>
#include <vector>

namespace vim::golden {

struct Check {
  std::string what;
  double error = 0.0;
  double tolerance = 0.0;
};

using Checks = std::vector<Check>;

}  // namespace vim::golden
