// Writing files of torch.save: our reader gives back what was written, aligned and in order. That
// Python's torch does too is tests/peers' affair.
#include "src/weights/torch_writer.h"

#include <string>

#include "src/weights/torch_file.h"
#include "src/weights/weight_file.h"
#include "src/weights/zip_archive.h"
#include "src/weights/zip_writer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/weights/safetensors_bytes.h"

using namespace vim::weights;
using namespace vim::test;

namespace {

const std::string kWeight = "0123456789abcdefghijklmn";
const std::string kBias = "wxyz";

std::vector<TensorToWrite> two_tensors() {
  return {
      {"z.weight", TensorType::kF32, {2, 3}, as_bytes(kWeight)},
      {"a.bias", TensorType::kF16, {2}, as_bytes(kBias)},
      {"empty", TensorType::kI64, {0, 4}, {}},
      {"scalar", TensorType::kF32, {}, as_bytes(kBias)}};
}

std::string text_of(const WeightFile& file, const std::string& set, size_t index) {
  const TensorBytes bytes = file.read(set, file.tensors(set).at(index));
  return {reinterpret_cast<const char*>(bytes.view().data()), bytes.view().size()};
}

}  // namespace

TEST_CASE("what is written as .pth is read back, in order") {
  const TempFolder folder;
  TorchFileToWrite contents;
  contents.model = two_tensors();
  contents.ema = {{"z.weight", TensorType::kU8, {4}, as_bytes(kBias)}};
  contents.epoch = 1LL << 40;
  contents.metadata = {{"config", "model: {depth: 2}\n"}};
  write_torch_file(folder / "x.pth", contents);
  const WeightFile file = WeightFile::open(folder / "x.pth");
  CHECK(file.format() == WeightFile::Format::kTorchZip);
  CHECK(file.sets() == std::vector<std::string>{"model", "ema"});
  REQUIRE(file.tensors("model").size() == 4);
  CHECK(file.tensors("model")[0].name == "z.weight");
  CHECK(file.tensors("model")[0].shape == std::vector<int64_t>{2, 3});
  CHECK(file.tensors("model")[1].type == TensorType::kF16);
  CHECK(file.tensors("model")[2].shape == std::vector<int64_t>{0, 4});
  CHECK(text_of(file, "model", 0) == kWeight);
  CHECK(text_of(file, "model", 3) == kBias);
  CHECK(text_of(file, "ema", 0) == kBias);
  CHECK(file.metadata() == contents.metadata);
  CHECK(file.torch()->root().find("epoch")->integer == 1LL << 40);
}

TEST_CASE("every element type is written and read back") {
  const TempFolder folder;
  const std::string data(16, 'x');
  TorchFileToWrite contents;
  contents.layout = TorchFileToWrite::Layout::kBareDict;
  std::vector<TensorType> types;
  for (int i = 0; i <= static_cast<int>(TensorType::kF8E5M2); ++i) {
    const auto type = static_cast<TensorType>(i);
    types.push_back(type);
    contents.model.push_back(
        {std::string(type_name(type)), type, {2}, as_bytes(data).first(2 * type_size(type))});
  }
  write_torch_file(folder / "x.pth", contents);
  const WeightFile file = WeightFile::open(folder / "x.pth");
  REQUIRE(file.tensors("model").size() == types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    CHECK(file.tensors("model")[i].type == types[i]);
    CHECK(text_of(file, "model", i) == data.substr(0, 2 * type_size(types[i])));
  }
}

TEST_CASE("equal contents give equal bytes, data are aligned to 64 bytes") {
  const TempFolder folder;
  TorchFileToWrite contents;
  contents.model = two_tensors();
  write_torch_file(folder / "x.pth", contents);
  write_torch_file(folder / "y.pth", contents);
  const std::string bytes = read_bytes(folder / "x.pth");
  CHECK(bytes == read_bytes(folder / "y.pth"));
  const ZipArchive archive = ZipArchive::parse(as_bytes(bytes), "x");
  for (const ZipEntry& entry : archive.entries()) {
    CHECK(entry.offset % 64 == 0);
  }
}

TEST_CASE("contents that make no file are refused") {
  const TempFolder folder;
  const auto written = [&](const std::vector<TensorToWrite>& model) {
    TorchFileToWrite contents;
    contents.model = model;
    write_torch_file(folder / "x.pth", contents);
  };
  const TensorToWrite good = two_tensors()[1];
  CHECK_THROWS_AS(written({good, good}), std::invalid_argument);
  CHECK_THROWS_AS(written({{"w", TensorType::kF32, {2}, as_bytes(kBias)}}), std::invalid_argument);
  CHECK(contains(
      thrown_text([&] {
        written({{"\xFF", TensorType::kF32, {1}, as_bytes(kBias)}});
      }),
      "is not UTF-8"));
  TorchFileToWrite bare;
  bare.layout = TorchFileToWrite::Layout::kBareDict;
  bare.epoch = 1;
  CHECK_THROWS_AS(write_torch_file(folder / "x.pth", bare), std::invalid_argument);
  CHECK_FALSE(std::filesystem::exists(folder / "x.pth"));
}

TEST_CASE("archives beyond the limits of 32 bits are read back") {
  std::string bytes;
  const vim::core::WriteBytes write = [&bytes](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  };
  SECTION("sizes and offsets") {
    ZipWriter zip(write, 100);
    zip.add("small", as_bytes(kBias));
    zip.add("large", as_bytes(std::string(300, 'x')));
    zip.add("far", as_bytes(kWeight));
    zip.finish();
    const ZipArchive archive = ZipArchive::parse(as_bytes(bytes), "x");
    CHECK(archive.data(*archive.find("small")).size() == 4);
    CHECK(archive.data(*archive.find("large")).size() == 300);
    CHECK(archive.data(*archive.find("far")).size() == kWeight.size());
  }
  SECTION("numbers of entries") {
    ZipWriter zip(write);
    for (int i = 0; i < 70'000; ++i) {
      zip.add(std::to_string(i), {});
    }
    zip.finish();
    CHECK(ZipArchive::parse(as_bytes(bytes), "x").entries().size() == 70'000);
  }
}
