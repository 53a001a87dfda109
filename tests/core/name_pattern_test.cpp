#include "src/core/name_pattern.h"

#include "tests/support/catch.h"

namespace vim::core {

TEST_CASE("patterns match whole names, stars across dots") {
  CHECK(matches_any("layers.0.norm.weight", {"head.*", "layers.*"}));
  CHECK(matches_any("layers.3.mixer.D", {"layers.[0-5].*"}));
  CHECK_FALSE(matches_any("layers.7.mixer.D", {"layers.[0-5].*"}));
  CHECK_FALSE(matches_any("head.weight", {"head", "weight"}));
  CHECK_FALSE(matches_any("head.weight", {}));
}

}  // namespace vim::core
