#include "tests/train/toy_image_files.h"

#include <fstream>

#include "tests/data/jpeg_writer.h"
#include "tests/train/toy_run.h"

namespace vim::test {

std::vector<std::string> write_image_files(const std::filesystem::path& folder, int count) {
  std::vector<std::string> paths;
  for (int i = 0; i < count; ++i) {
    const std::vector<uint8_t> bytes = write_some_jpeg(kToySize, 20 + i, i);
    paths.push_back((folder / (std::to_string(i) + ".jpg")).string());
    std::ofstream(paths.back(), std::ios::binary)
        .write(
            reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  }
  return paths;
}

}  // namespace vim::test
