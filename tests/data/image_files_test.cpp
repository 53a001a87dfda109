// Image files by name: what is read, and what is said of those that cannot be.
#include "src/data/source/image_files.h"

#include <fstream>

#include "src/data/image/decode.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::data {
namespace {

std::string write_file(const std::filesystem::path& path, const std::vector<uint8_t>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(
          reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path.string();
}

}  // namespace

TEST_CASE("image files keep their order and are decoded as they are") {
  const test::TempFolder folder;
  const std::vector<uint8_t> small = test::write_some_jpeg(6, 9, 1);
  const std::vector<uint8_t> large = test::write_some_jpeg(20, 10, 2);
  const std::string b = write_file(folder / "b.jpg", small);
  const std::string a = write_file(folder / "a.jpg", large);
  const ImageFiles images({b, a, b});
  REQUIRE(images.size() == 3);
  CHECK(images.name(1) == a);
  CHECK(images.label(1) == 0);
  CHECK(read_image(images, 0).pixels == decode_image(small).pixels);
  CHECK(read_image(images, 1).pixels == decode_image(large).pixels);
  CHECK(read_image(images, 2).pixels == decode_image(small).pixels);
  CHECK(images.problems().empty());
}

TEST_CASE("a missing file, a folder and a broken image become black and are listed with a remedy") {
  const test::TempFolder folder;
  std::vector<uint8_t> bytes = test::write_some_jpeg(16, 16, 1);
  bytes.resize(bytes.size() / 2);
  const std::string broken = write_file(folder / "broken.jpg", bytes);
  const std::string missing = (folder / "missing.jpg").string();
  const ImageFiles images({missing, broken, folder.path().string()});
  for (int64_t i = 0; i < images.size(); ++i) {
    const Image image = read_image(images, i);
    CHECK(image.height == 1);
    CHECK(image.width == 1);
    CHECK(image.pixels == std::vector<uint8_t>{0, 0, 0});
  }
  const auto problems = images.problems();
  REQUIRE(problems.size() == 3);
  CHECK(
      problems.at(0) == missing +
                            ": cannot be read: No such file or directory; check the file "
                            "and its permissions");
  CHECK(test::contains(problems.at(1), broken + ": cannot be decoded: "));
  CHECK(test::contains(problems.at(1), "; give a whole JPEG or PNG file"));
  CHECK(test::contains(problems.at(2), ": cannot be read: Is a directory; check"));
}

}  // namespace vim::data
