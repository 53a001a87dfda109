// The text that tells how far a pass has come.
#include "apps/progress.h"

#include "tests/support/catch.h"

using vim::apps::progress_text;

TEST_CASE("The rate counts the images of this run, the time left those that remain") {
  // 50 images of this run in 5 s; 900 are left.
  CHECK(
      progress_text({100, 1000, 50, 5.0}, "img") ==
      "100 of 1000 img (10 %), 10.0 img/s, 1 min 30 s left");
  CHECK(
      progress_text({990, 1000, 50, 5.0}, "img") == "990 of 1000 img (99 %), 10.0 img/s, 1 s left");
  CHECK(
      progress_text({1000, 1000, 50, 5.0}, "img") ==
      "1000 of 1000 img (100 %), 10.0 img/s, 0 s left");
  CHECK(
      progress_text({0, 75600, 10, 1.0}, "img") ==
      "0 of 75600 img (0 %), 10.0 img/s, 2 h 6 min left");
}

TEST_CASE("There is no rate before there are images or time") {
  CHECK(progress_text({7, 10, 0, 5.0}, "img") == "7 of 10 img (70 %)");
  CHECK(progress_text({7, 10, 2, 0.0}, "img") == "7 of 10 img (70 %)");
  CHECK(progress_text({0, 0, 0, 0.0}, "img") == "0 of 0 img (100 %)");
}
