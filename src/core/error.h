// The one exception for mistakes the user can mend: a config key, a file, a checkpoint.
#pragma once

#include <stdexcept>
#include <string>

namespace vim {

/// A user's mistake. The text reads `where: what is wrong; what to do`, a line for each where there
/// are several, and details in lines indented by two spaces; programs print "error: " in front of
/// each and exit with code 2.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace vim
