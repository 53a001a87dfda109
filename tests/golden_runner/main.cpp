// golden_test: runs every reference file of a folder through the shipped code and prints one line a
// case,
//   name  max_error  tolerance  pass|FAIL|SKIP
// closing with `N passed, N failed, N skipped`. The folder is VIM_GOLDEN_DIR, or the first
// argument;
// --all prints every single comparison with its backend, --backends the largest error for each
// backend.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "src/cuda/device.h"
#include "tests/golden_runner/backend.h"
#include "tests/golden_runner/cases.h"

namespace fs = std::filesystem;

namespace {

using vim::golden::Check;
using vim::golden::Checks;
using vim::golden::Coverage;
using vim::golden::Kind;

enum class Detail { kCase, kBackend, kCheck };

struct Tally {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

bool passes(const Check& check) { return check.error <= check.tolerance; }

// The comparison closest to its limit, or farthest beyond it.
const Check& worst(const Checks& checks) {
  if (checks.empty()) {
    throw std::runtime_error("nothing in the file was compared");
  }
  const auto strain = [](const Check& check) {
    return check.tolerance > 0 ? check.error / check.tolerance : (check.error > 0 ? 1e300 : 0.0);
  };
  return *std::max_element(checks.begin(), checks.end(), [&](const Check& a, const Check& b) {
    return strain(a) < strain(b);
  });
}

void print_line(const std::string& name, const Check& check) {
  fmt::print(
      "{:<44} {:>10.3e} {:>10.1e}  {}\n",
      name,
      check.error,
      check.tolerance,
      passes(check) ? "pass" : "FAIL");
}

const char kHost[] = "-";

std::vector<std::string> backends_of(const Kind& kind) {
  std::vector<std::string> names;
  if (kind.coverage == Coverage::kHost || kind.coverage == Coverage::kDevices) {
    names.emplace_back(kHost);
  }
  for (const std::string& backend : vim::golden::kernel_backends()) {
    const bool is_emulated = backend == vim::golden::kEmulated;
    const bool is_device = is_emulated || backend == vim::golden::kCuda;
    const bool is_vector = !is_device && backend != vim::golden::kScalar;
    const bool is_wanted = kind.coverage == Coverage::kBackends ||
                           (kind.coverage == Coverage::kFastBackends && !is_emulated) ||
                           (kind.coverage == Coverage::kDevices && is_device) ||
                           (kind.coverage == Coverage::kVectors && is_vector);
    if (is_wanted) {
      names.push_back(backend);
    }
  }
  return names;
}

// Says which kinds are not run on which backends, so that nothing is left out in silence.
void print_backends() {
  std::vector<std::string> full_size;
  for (const Kind& kind : vim::golden::all_kinds()) {
    if (kind.coverage == Coverage::kFastBackends) {
      full_size.push_back(kind.prefix);
    }
  }
  fmt::print("backends: {}\n", fmt::join(vim::golden::kernel_backends(), ", "));
  fmt::print(
      "{} is not run on {}: full-size models\n",
      vim::golden::kEmulated,
      fmt::join(full_size, ", "));
  if (!vim::cuda::is_available()) {
    fmt::print("cuda is not run: {}\n", vim::cuda::is_built() ? "no device" : "not in this build");
  }
}

Checks run_backends(
    const Kind& kind, const fs::path& path, const std::string& name, Detail detail) {
  Checks all;
  for (const std::string& backend : backends_of(kind)) {
    vim::golden::select_backend(backend);
    const Checks checks = kind.run(path);
    if (detail == Detail::kBackend) {
      print_line(fmt::format("  {} [{}] {}", name, backend, worst(checks).what), worst(checks));
    }
    for (const Check& check : checks) {
      if (detail == Detail::kCheck) {
        print_line(fmt::format("  {} [{}] {}", name, backend, check.what), check);
      }
      all.push_back({fmt::format("[{}] {}", backend, check.what), check.error, check.tolerance});
    }
  }
  return all;
}

void run_case(const Kind* kind, const fs::path& path, Detail detail, Tally& tally) {
  const std::string name = path.stem().string();
  if (kind == nullptr) {
    fmt::print("{:<44} {:>10} {:>10}  FAIL  no test for this kind of file\n", name, "-", "-");
    ++tally.failed;
    return;
  }
  try {
    const Checks checks = run_backends(*kind, path, name, detail);
    const Check& check = worst(checks);
    print_line(name, check);
    if (!passes(check)) {
      fmt::print("    {}\n", check.what);
    }
    ++(passes(check) ? tally.passed : tally.failed);
  } catch (const vim::golden::Skipped& reason) {
    fmt::print("{:<44} {:>10} {:>10}  SKIP  {}\n", name, "-", "-", reason.what());
    ++tally.skipped;
  } catch (const std::exception& error) {
    const std::string message = error.what();
    fmt::print(
        "{:<44} {:>10} {:>10}  FAIL  {}\n", name, "-", "-", message.substr(0, message.find('\n')));
    ++tally.failed;
  }
}

const Kind* kind_of(const fs::path& path) {
  for (const Kind& kind : vim::golden::all_kinds()) {
    if (path.filename().string().starts_with(kind.prefix) && path.extension() == kind.extension) {
      return &kind;
    }
  }
  return nullptr;
}

// Files that accompany a case: configs/, a JSON beside its safetensors, *.expected.*, the README,
// and what expected.json says of the .pth files.
bool is_companion(const fs::path& path) {
  const std::string file = path.filename().string();
  if (file == "README.md" || file == "expected.json" ||
      file.find(".expected.") != std::string::npos || path.parent_path().filename() == "configs") {
    return true;
  }
  return path.extension() == ".json" &&
         fs::exists(fs::path(path).replace_extension(".safetensors"));
}

std::vector<fs::path> find_cases(const fs::path& folder) {
  const std::set<std::string> extensions = {".safetensors", ".json", ".pth"};
  std::vector<fs::path> cases;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && extensions.contains(entry.path().extension().string()) &&
        !is_companion(entry.path())) {
      cases.push_back(entry.path());
    }
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

}  // namespace

int main(int argc, char** argv) {
  Detail detail = Detail::kCase;
  const char* variable = std::getenv("VIM_GOLDEN_DIR");
  fs::path folder = variable != nullptr ? variable : "tests/golden";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--all") {
      detail = Detail::kCheck;
    } else if (argument == "--backends") {
      detail = Detail::kBackend;
    } else {
      folder = argument;
    }
  }
  if (!fs::is_directory(folder)) {
    fmt::print(stderr, "error: {}: no such folder; set VIM_GOLDEN_DIR\n", folder.string());
    return 2;
  }
  print_backends();
  Tally tally;
  for (const fs::path& path : find_cases(folder)) {
    run_case(kind_of(path), path, detail, tally);
  }
  fmt::print("{} passed, {} failed, {} skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}
