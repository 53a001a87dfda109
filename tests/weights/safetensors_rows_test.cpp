// Files written row by row against the same tensors written at once.
#include "src/weights/safetensors_rows.h"

#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

namespace vim::weights {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::string> kTexts = {{"names", "[\"a\", \"b\"]"}};

std::vector<float> some_values(size_t size, float first) {
  std::vector<float> values(size);
  std::iota(values.begin(), values.end(), first);
  return values;
}

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

SafetensorsRowWriter open_writer(const fs::path& path) {
  return {path, {{"wide", TensorType::kF32, {5, 2, 3}}, {"flat", TensorType::kF32, {5}}}, kTexts};
}

TEST_CASE("rows written in any order give the bytes of tensors written at once") {
  const test::TempFolder temp;
  const std::vector<float> wide = some_values(30, 1.0F);
  const std::vector<float> flat = some_values(5, 100.0F);
  write_safetensors(
      temp / "whole.safetensors",
      {{"wide", TensorType::kF32, {5, 2, 3}, std::as_bytes(std::span(wide))},
       {"flat", TensorType::kF32, {5}, std::as_bytes(std::span(flat))}},
      kTexts);
  SafetensorsRowWriter writer = open_writer(temp / "rows.safetensors");
  const auto rows = [](const std::vector<float>& values, size_t begin, size_t size) {
    return std::as_bytes(std::span(values).subspan(begin, size));
  };
  writer.write_rows(1, 3, rows(flat, 3, 2));
  writer.write_rows(0, 2, rows(wide, 12, 18));
  writer.write_rows(1, 0, rows(flat, 0, 3));
  writer.write_rows(0, 0, rows(wide, 0, 12));
  CHECK_FALSE(fs::exists(temp / "rows.safetensors"));
  writer.finish();
  CHECK(bytes_of(temp / "rows.safetensors") == bytes_of(temp / "whole.safetensors"));
}

TEST_CASE("rows that were not written are zero, and the file is whole") {
  const test::TempFolder temp;
  SafetensorsRowWriter writer = open_writer(temp / "rows.safetensors");
  writer.finish();
  const auto file = SafetensorsFile::open(temp / "rows.safetensors");
  for (const std::byte byte : file.data(*file.find("flat"))) {
    CHECK(byte == std::byte{0});
  }
  CHECK(file.metadata() == kTexts);
}

TEST_CASE("bytes that are not whole rows of the tensor are refused") {
  const test::TempFolder temp;
  SafetensorsRowWriter writer = open_writer(temp / "rows.safetensors");
  const std::vector<std::byte> bytes(200);
  const auto write = [&](int64_t first, size_t size) {
    writer.write_rows(0, first, std::span(bytes).first(size));
  };
  CHECK_NOTHROW(write(0, 48));
  CHECK_THROWS_AS(write(0, 20), std::invalid_argument);  // a row takes 24 bytes
  CHECK_THROWS_AS(write(4, 48), std::invalid_argument);
  CHECK_THROWS_AS(write(6, 0), std::invalid_argument);
  CHECK_THROWS_AS(write(-1, 24), std::invalid_argument);
}

TEST_CASE("tensors that cannot be written row by row are refused") {
  const test::TempFolder temp;
  const auto open = [&](const std::vector<RowTensor>& tensors) {
    SafetensorsRowWriter(temp / "rows.safetensors", tensors, {});
  };
  CHECK_THROWS_AS(open({{"scalar", TensorType::kF32, {}}}), std::invalid_argument);
  CHECK_THROWS_AS(open({{"__metadata__", TensorType::kF32, {1}}}), std::invalid_argument);
  CHECK_THROWS_AS(
      open({{"a", TensorType::kF32, {1}}, {"a", TensorType::kF32, {1}}}), std::invalid_argument);
  CHECK_THROWS_AS(
      open({{"a", TensorType::kF32, {1}}, {"b", TensorType::kF64, {1}}}), std::invalid_argument);
  CHECK(fs::is_empty(temp.path()));
}

}  // namespace
}  // namespace vim::weights
