// The golden files of torch.save, as golden_test runs them, in every build: also under sanitizers
// and without LibTorch.
#include <algorithm>
#include <filesystem>

#include "tests/golden_runner/pth_cases.h"
#include "tests/support/catch.h"

TEST_CASE("every golden file of torch.save is read exactly, or refused by name") {
  size_t num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/pth")) {
    if (entry.path().extension() != ".pth") {
      continue;
    }
    ++num_files;
    const vim::golden::Checks checks = vim::golden::run_pth(entry.path());
    CHECK_FALSE(checks.empty());
    for (const vim::golden::Check& check : checks) {
      INFO(entry.path() << ": " << check.what);
      CHECK(check.error <= check.tolerance);
    }
  }
  CHECK(num_files >= 14);
}
