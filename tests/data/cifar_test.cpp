// CIFAR's binary files, made sparse: all records are zero but those a test looks at.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "src/data/source/dataset.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

namespace fs = std::filesystem;
using vim::data::DataFormat;
using vim::data::open_dataset;
using vim::test::contains;
using vim::test::TempFolder;
using vim::test::thrown_text;

void write_names(const fs::path& path, int count) {
  std::ofstream file(path);
  for (int i = 0; i < count; ++i) {
    file << "class" << i << "\n";
  }
  file << "\n";
}

void write_zeros(const fs::path& path, uintmax_t size) {
  std::ofstream(path, std::ios::binary).put('\0');
  fs::resize_file(path, size);
}

// Overwrites a record: label bytes, then red = 11, green = 22, blue = 33, but the pixel at row 1,
// column 2 has red = 99.
void write_record(const fs::path& path, int64_t index, const std::vector<char>& label) {
  std::vector<char> record = label;
  for (const char value : {11, 22, 33}) {
    record.insert(record.end(), 1024, value);
  }
  record[label.size() + 32 + 2] = 99;
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(index * static_cast<int64_t>(record.size()));
  file.write(record.data(), static_cast<std::streamsize>(record.size()));
}

void check_record(const vim::data::Image& image) {
  REQUIRE(image.pixels.size() == 32 * 32 * 3);
  CHECK(image.pixels[(32 + 2) * 3] == 99);
  CHECK(image.pixels[(32 + 3) * 3] == 11);
  CHECK(image.pixels[(32 + 2) * 3 + 1] == 22);
  CHECK(image.pixels[1023 * 3 + 2] == 33);
}

}  // namespace

TEST_CASE("CIFAR-10 test images are read from the path or its usual sub-folder") {
  const TempFolder folder;
  const fs::path inner = folder / "cifar-10-batches-bin";
  fs::create_directories(inner);
  write_names(inner / "batches.meta.txt", 10);
  write_zeros(inner / "test_batch.bin", 30730000);
  write_record(inner / "test_batch.bin", 9999, {7});
  for (const fs::path& path : {folder.path(), inner}) {
    const auto dataset = open_dataset({DataFormat::kCifar10, path.string(), false});
    CHECK(dataset->size() == 10000);
    CHECK(dataset->class_names().at(9) == "class9");
    CHECK(dataset->label(0) == 0);
    CHECK(dataset->label(9999) == 7);
    CHECK(contains(dataset->name(9999), "test_batch.bin, image 9999"));
    check_record(read_image(*dataset, 9999));
  }
}

TEST_CASE("CIFAR-10 training images are the five batches in order") {
  const TempFolder folder;
  write_names(folder / "batches.meta.txt", 10);
  for (int i = 1; i <= 5; ++i) {
    write_zeros(folder / ("data_batch_" + std::to_string(i) + ".bin"), 30730000);
  }
  write_record(folder / "data_batch_4.bin", 3, {5});
  const auto dataset = open_dataset({DataFormat::kCifar10, folder.path().string(), true});
  CHECK(dataset->size() == 50000);
  CHECK(dataset->label(30003) == 5);
  CHECK(contains(dataset->name(30003), "data_batch_4.bin, image 3"));
  check_record(read_image(*dataset, 30003));
}

TEST_CASE("CIFAR-100 takes the fine label") {
  const TempFolder folder;
  write_names(folder / "fine_label_names.txt", 100);
  write_zeros(folder / "test.bin", 30740000);
  write_record(folder / "test.bin", 17, {3, 88});
  const auto dataset = open_dataset({DataFormat::kCifar100, folder.path().string(), false});
  CHECK(dataset->size() == 10000);
  CHECK(dataset->label(17) == 88);
  check_record(read_image(*dataset, 17));
}

TEST_CASE("CIFAR files that are missing, cut off or damaged are refused by name") {
  const TempFolder folder;
  const auto open = [&folder] {
    return thrown_text([&] {
      open_dataset({DataFormat::kCifar10, folder.path().string(), false});
    });
  };
  CHECK(contains(open(), "test_batch.bin"));
  write_zeros(folder / "test_batch.bin", 30730000);
  CHECK(contains(open(), "batches.meta.txt: 0 class names"));
  write_names(folder / "batches.meta.txt", 10);
  write_record(folder / "test_batch.bin", 5, {10});
  CHECK(contains(open(), "test_batch.bin: label 10 where 10 classes"));
  write_zeros(folder / "test_batch.bin", 30729999);
  CHECK(contains(open(), "test_batch.bin: 30729999 bytes where 30730000"));
}

namespace {

// Packs the test images of CIFAR-10 as its archive is, by the system's programs.
bool pack_archive(const TempFolder& folder) {
  const fs::path inner = folder / "cifar-10-batches-bin";
  fs::create_directories(inner);
  write_names(inner / "batches.meta.txt", 10);
  write_zeros(inner / "test_batch.bin", 30730000);
  write_record(inner / "test_batch.bin", 42, {7});
  const std::string command = "cd '" + folder.path().string() +
                              "' && tar -czf cifar-10-binary.tar.gz cifar-10-batches-bin "
                              "2>/dev/null && rm -r cifar-10-batches-bin";
  return std::system(command.c_str()) == 0;
}

}  // namespace

TEST_CASE("CIFAR is read from its archive, which the path names or holds") {
  const TempFolder folder;
  if (!pack_archive(folder)) {
    WARN("no tar or gzip program here");
    return;
  }
  const fs::path archive = folder / "cifar-10-binary.tar.gz";
  for (const fs::path& path : {folder.path(), archive}) {
    for (const DataFormat format : {DataFormat::kAuto, DataFormat::kCifar10}) {
      const auto dataset = open_dataset({format, path.string(), false});
      CHECK(dataset->size() == 10000);
      CHECK(dataset->label(42) == 7);
      CHECK(dataset->label(43) == 0);
      CHECK(contains(dataset->name(42), "cifar-10-binary.tar.gz:test_batch.bin, image 42"));
      check_record(read_image(*dataset, 42));
    }
  }
  CHECK(contains(
      thrown_text([&] {
        open_dataset({DataFormat::kCifar10, archive.string(), true});
      }),
      "tar.gz:data_batch_1.bin: no such file where 30730000 bytes"));
}

TEST_CASE("a CIFAR archive that is cut short or damaged is refused by name") {
  const TempFolder folder;
  if (!pack_archive(folder)) {
    WARN("no tar or gzip program here");
    return;
  }
  const fs::path archive = folder / "cifar-10-binary.tar.gz";
  const auto open = [&archive] {
    return thrown_text([&] { open_dataset({DataFormat::kAuto, archive.string(), false}); });
  };
  std::ifstream file(archive, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto write = [&archive](const std::string& text) {
    std::ofstream(archive, std::ios::binary) << text;
  };
  write(bytes.substr(0, bytes.size() / 2));
  CHECK(contains(open(), "cifar-10-binary.tar.gz: damaged before byte"));
  std::string changed = bytes;
  changed[bytes.size() - 6] = static_cast<char>(changed[bytes.size() - 6] ^ 1);  // the CRC-32
  write(changed);
  CHECK(contains(open(), "cifar-10-binary.tar.gz: damaged before byte"));
  write("no archive");
  CHECK(contains(open(), "cifar-10-binary.tar.gz: damaged at byte 0"));
}

TEST_CASE("the two CIFAR sets are told apart by their files") {
  const TempFolder folder;
  write_names(folder / "fine_label_names.txt", 100);
  write_zeros(folder / "test.bin", 30740000);
  CHECK(open_dataset({DataFormat::kAuto, folder.path().string(), false})->num_classes() == 100);
}
