// Runs a fuzz target without libFuzzer: over every seed, and over the seed cut short or with one
// byte changed at up to a hundred places. Arguments: files or folders.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMaxMutations = 100;

std::vector<std::filesystem::path> collect(int count, char** arguments) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < count; ++i) {
    if (!std::filesystem::is_directory(arguments[i])) {
      files.emplace_back(arguments[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
      if (entry.is_regular_file()) {
        files.push_back(entry.path());
      }
    }
  }
  return files;
}

// A copy in an allocation of exactly this size, so that a read past the end is seen.
void run(std::vector<uint8_t> bytes) {
  bytes.shrink_to_fit();
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

size_t replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<uint8_t> seed{std::istreambuf_iterator<char>(file), {}};
  run(seed);
  size_t runs = 1;
  const size_t stride = seed.size() / kMaxMutations + 1;
  for (size_t i = 0; i < seed.size(); i += stride) {
    run({seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(i)});
    std::vector<uint8_t> changed = seed;
    changed[i] ^= static_cast<uint8_t>(1U << (i % 8));
    run(std::move(changed));
    runs += 2;
  }
  return runs;
}

}  // namespace

int main(int count, char** arguments) {
  size_t runs = 0;
  for (const std::filesystem::path& path : collect(count, arguments)) {
    try {
      runs += replay(path);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: unexpected exception: %s\n", path.c_str(), error.what());
      return 1;
    }
  }
  std::printf("%zu inputs\n", runs);
  return runs > 0 ? 0 : 1;
}
