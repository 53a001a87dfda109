// Files of torch.save in both forms: tensors come out row by row, and nothing wrong passes.
#include "src/weights/torch_file.h"

#include <cstring>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/weights/safetensors_bytes.h"
#include "tests/weights/torch_bytes.h"

using namespace vim::weights;
using namespace vim::test;
using namespace std::string_literals;

namespace {

// Twelve floats 0 to 11.
std::string floats() {
  std::string bytes;
  for (int i = 0; i < 12; ++i) {
    const auto value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

std::vector<float> values_of(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!bytes.empty()) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  }
  return values;
}

std::string dict_of(const std::string& tensor) { return pickle_dict({{"w", tensor}}); }

// The error that a file gives whose one storage "0" holds twelve floats.
std::string error_of(const std::string& tensor) {
  const std::string bytes = torch_zip_bytes(dict_of(tensor), {{"0", floats()}});
  return thrown_text([&] { TorchFile::parse(as_bytes(bytes), "file"); });
}

std::string parse_error(const std::string& bytes) {
  return thrown_text([&] { TorchFile::parse(as_bytes(bytes), "file"); });
}

std::vector<float> read_only(const std::string& bytes) {
  const TorchFile file = TorchFile::parse(as_bytes(bytes), "file");
  const PickleValue* value = file.root().find("w");
  REQUIRE(value != nullptr);
  REQUIRE(value->tensor != nullptr);
  return values_of(file.read(*value->tensor));
}

}  // namespace

TEST_CASE("tensors come out in row-major order whatever their strides") {
  const auto [shape, strides, offset, expected] =
      GENERATE(table<std::vector<int64_t>, std::vector<int64_t>, int64_t, std::vector<float>>({
          {{2, 3}, {3, 1}, 0, {0, 1, 2, 3, 4, 5}},
          {{2, 3}, {3, 1}, 6, {6, 7, 8, 9, 10, 11}},
          {{3, 2}, {1, 3}, 0, {0, 3, 1, 4, 2, 5}},
          {{2, 2}, {6, 2}, 1, {1, 3, 7, 9}},
          {{2, 2}, {0, 1}, 4, {4, 5, 4, 5}},
          {{1, 2, 1}, {99, 1, 77}, 0, {0, 1}},
          {{}, {}, 11, {11}},
          {{0, 4}, {4, 1}, 0, {}},
          {{4, 0}, {1, 1}, 1000, {}},
      }));
  const std::string piece = dict_of(pickle_tensor(pickle_storage("0", 12), offset, shape, strides));
  CHECK(read_only(torch_zip_bytes(piece, {{"0", floats()}})) == expected);
  CHECK(read_only(torch_legacy_bytes(piece, {{"0", floats()}})) == expected);
}

TEST_CASE("a contiguous tensor is a view of the file, any other a copy") {
  const std::string storage = pickle_storage("0", 12);
  const std::string bytes = torch_zip_bytes(
      pickle_dict(
          {{"w", pickle_tensor(storage, 2, {2, 2}, {2, 1})},
           {"t", pickle_tensor(storage, 2, {2, 2}, {1, 2})}}),
      {{"0", floats()}});
  const TorchFile file = TorchFile::parse(as_bytes(bytes), "file");
  const auto lies_inside = [&](const char* name) {
    const TensorBytes read = file.read(*file.root().find(name)->tensor);
    const auto* data = reinterpret_cast<const char*>(read.view().data());
    return data >= bytes.data() && data < bytes.data() + bytes.size();
  };
  CHECK(lies_inside("w"));
  CHECK_FALSE(lies_inside("t"));
}

TEST_CASE("tensors that do not fit their storage are refused") {
  const std::string storage = pickle_storage("0", 12);
  const int64_t big = INT64_MAX;
  const auto [shape, strides, offset, reason] =
      GENERATE_COPY(table<std::vector<int64_t>, std::vector<int64_t>, int64_t, std::string>({
          {{13}, {1}, 0, "reaches beyond its storage"},
          {{2}, {12}, 0, "reaches beyond its storage"},
          {{12}, {1}, 1, "reaches beyond its storage"},
          {{}, {}, 12, "reaches beyond its storage"},
          {{3}, {big}, 0, "reaches beyond its storage"},
          {{big, big}, {1, 1}, 0, "reaches beyond its storage"},
          {{2, 2}, {big, big}, 0, "reaches beyond its storage"},
          {{big, big}, {0, 0}, 0, "the shape is too large"},
          {{1 << 20, 1 << 20}, {0, 0}, 0, "expands its storage more than 64 times"},
          {{-1}, {1}, 0, "a negative extent, stride or offset"},
          {{2}, {-1}, 4, "a negative extent, stride or offset"},
          {{2}, {1}, -1, "a negative extent, stride or offset"},
          {{2, 3}, {1}, 0, "2 extents and 1 strides"},
      }));
  CHECK(contains(error_of(pickle_tensor(storage, offset, shape, strides)), reason));
}

TEST_CASE("storages must be there, once, in their size, described in one way") {
  const std::string good = pickle_storage("0", 12);
  const auto tensor = [](const std::string& storage) {
    return pickle_tensor(storage, 0, {1}, {1});
  };
  CHECK(error_of(tensor(good)) == "nothing was thrown");
  CHECK(contains(error_of(tensor(pickle_storage("1", 12))), "storage data/1 that tensors need is"));
  CHECK(contains(error_of(tensor(pickle_storage("0", 11))), "holds 48 bytes, its tensors need 44"));
  CHECK(contains(error_of(tensor(pickle_storage("0", INT64_MAX))), "is too large"));
  CHECK(contains(error_of(tensor(pickle_storage("0", -1))), "names no storage"));
  CHECK(contains(error_of(tensor(pickle_storage("0", 12, "Tensor"))), "names no storage"));
  const std::string two_ways = tensor(good) + "0" + tensor(pickle_storage("0", 6, "DoubleStorage"));
  CHECK(contains(error_of(two_ways), "described in two ways"));
  CHECK(contains(error_of(tensor(pickle_storage("../data.pkl", 12))), "is missing"));
}

TEST_CASE("a storage that nobody reads is not looked at, one that is read is verified") {
  std::string bytes = torch_zip_bytes(
      pickle_dict(
          {{"w", pickle_tensor(pickle_storage("0", 12), 0, {12}, {1})},
           {"v", pickle_tensor(pickle_storage("1", 12), 0, {12}, {1})}}),
      {{"0", floats()}, {"1", floats()}});
  bytes[bytes.find(floats()) + 40] ^= 1;
  const TorchFile file = TorchFile::parse(as_bytes(bytes), "file");
  CHECK(values_of(file.read(*file.root().find("v")->tensor)).size() == 12);
  const std::string error = thrown_text([&] { file.read(*file.root().find("w")->tensor); });
  CHECK(contains(error, "file: zip entry \"a/data/0\": the data do not match their CRC-32"));
}

TEST_CASE("element types without a counterpart stay opaque and name themselves") {
  const auto [storage, name] = GENERATE(table<std::string, std::string>({
      {"ComplexFloatStorage", "torch.Tensor over torch.ComplexFloatStorage"},
      {"QInt8Storage", "torch.Tensor over torch.QInt8Storage"},
  }));
  const std::string piece = dict_of(pickle_tensor(pickle_storage("0", 12, storage), 0, {1}, {1}));
  const std::string bytes = torch_zip_bytes(piece, {{"0", floats()}});
  const TorchFile file = TorchFile::parse(as_bytes(bytes), "file");
  CHECK(file.root().find("w")->is(PickleKind::kOpaque));
  CHECK(file.root().find("w")->text == name);
}

TEST_CASE("parameters, subclasses and untyped storages are tensors too") {
  const std::string tensor = pickle_tensor(pickle_storage("0", 12), 0, {2}, {1});
  const std::string hooks = pickle_call("collections", "OrderedDict", {});
  const std::string arguments = pickle_tuple(
      {pickle_storage("0", 12), pickle_int(0), pickle_ints({2}), pickle_ints({1}), "\x89", hooks});
  const auto untyped = [&](const char* dtype, int64_t offset) {
    return pickle_call(
        "torch._utils",
        "_rebuild_tensor_v3",
        {pickle_storage("0", 48, "UntypedStorage"),
         pickle_int(offset),
         pickle_ints({2}),
         pickle_ints({1}),
         "\x89",
         hooks,
         pickle_global("torch", dtype)});
  };
  const std::string pieces[] = {
      pickle_call("torch._utils", "_rebuild_parameter", {tensor, "\x88", hooks}),
      pickle_call("torch._utils", "_rebuild_parameter_with_state", {tensor, "\x88", hooks, "}"}),
      pickle_call(
          "torch._tensor",
          "_rebuild_from_type_v2",
          {pickle_global("torch._utils", "_rebuild_tensor_v2"),
           pickle_global("some", "Subclass"),
           arguments,
           "}"}),
      untyped("float32", 0)};
  for (const std::string& piece : pieces) {
    CHECK(
        read_only(torch_zip_bytes(dict_of(piece), {{"0", floats()}})) == std::vector<float>{0, 1});
  }
  CHECK(error_of(untyped("uint16", 22)) == "nothing was thrown");
  CHECK(contains(error_of(untyped("uint16", 23)), "reaches beyond its storage"));
  CHECK(error_of(untyped("complex64", 0)) == "nothing was thrown");
}

TEST_CASE("negated and conjugated views are not taken for what the storage holds") {
  const std::string tensor = pickle_call(
      "torch._utils",
      "_rebuild_tensor_v2",
      {pickle_storage("0", 12),
       pickle_int(0),
       pickle_ints({2}),
       pickle_ints({1}),
       "\x89",
       "N",
       pickle_dict({{"neg", "\x88"}})});
  const std::string bytes = torch_zip_bytes(dict_of(tensor), {{"0", floats()}});
  const TorchFile file = TorchFile::parse(as_bytes(bytes), "file");
  CHECK(file.root().find("w")->is(PickleKind::kOpaque));
}

TEST_CASE("views of old files see their part of the storage") {
  const auto storage = [](int64_t begin, int64_t size) {
    return pickle_tuple(
               {pickle_text("storage"),
                pickle_global("torch", "FloatStorage"),
                pickle_text("0"),
                pickle_text("cpu"),
                pickle_int(12),
                pickle_tuple({pickle_text("1"), pickle_int(begin), pickle_int(size)})}) +
           "Q";
  };
  const auto file = [&](int64_t begin, int64_t size, int64_t count) {
    const std::string tensor = pickle_tensor(storage(begin, size), 1, {count}, {1});
    return torch_legacy_bytes(dict_of(tensor), {{"0", floats()}});
  };
  CHECK(read_only(file(4, 5, 4)) == std::vector<float>{5, 6, 7, 8});
  CHECK(contains(parse_error(file(4, 5, 5)), "reaches beyond its storage"));
  CHECK(contains(parse_error(file(8, 5, 1)), "a view beyond storage 0"));
  CHECK(contains(parse_error(file(-1, 5, 1)), "a view beyond storage 0"));
}

TEST_CASE("legacy files with wrong parts are refused") {
  const std::string tensor = pickle_tensor(pickle_storage("0", 12), 0, {2}, {1});
  CHECK(contains(
      parse_error(torch_legacy_bytes(dict_of(tensor), {{"0", floats().substr(4)}})),
      "has not the size its tensors need"));
  CHECK(contains(
      parse_error(torch_legacy_bytes(dict_of(tensor), {{"0", floats()}, {"0", floats()}})),
      "is stored twice"));
  CHECK(contains(
      parse_error(torch_legacy_bytes(dict_of(tensor), {{"0", floats()}, {"9", floats()}})),
      "belongs to no tensor"));
  CHECK(contains(parse_error(torch_legacy_bytes(dict_of(tensor), {})), "is missing"));
  std::string big_endian = torch_legacy_bytes("N", {});
  big_endian[big_endian.find("little_endian") + 13] = '\x89';
  CHECK(contains(parse_error(big_endian), "big-endian machine"));
  std::string other_version = torch_legacy_bytes("N", {});
  other_version[other_version.find("M\xE9\x03") + 1] = '\xE8';
  CHECK(contains(parse_error(other_version), "the version is not 1001"));
}

TEST_CASE("archives that are not weights, or not for this machine, say so") {
  CHECK(contains(parse_error(zip_bytes({{"a/x", ""}})), "without data.pkl"));
  const ZipPart object{"a/data.pkl", whole_pickle("}")};
  CHECK(contains(parse_error(zip_bytes({object, {"a/constants.pkl", ""}})), "TorchScript"));
  CHECK(
      contains(parse_error(zip_bytes({object, {"a/byteorder", "big"}})), "byte order is \"big\""));
  CHECK(contains(parse_error(zip_bytes({object, {"a/version", "11\n"}})), "version is \"11\""));
  CHECK(contains(parse_error(zip_bytes({object, {"a/version", "x"}})), "version is \"x\""));
  CHECK(parse_error(zip_bytes({object})) == "nothing was thrown");
  CHECK(parse_error(zip_bytes({{"data.pkl", whole_pickle("}")}})) == "nothing was thrown");
}

TEST_CASE("files of other kinds are told apart") {
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  const auto [bytes, reason] = GENERATE_COPY(table<std::string, std::string>({
      {"", "the file is empty"},
      {"this is not a checkpoint\n", "neither safetensors nor a file of torch.save"},
      {"<!DOCTYPE html>", "a web page"},
      {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
      {tar, "before 0.1.10"},
      {"\x80\x04N.", "a pickle that torch.save did not write"},
  }));
  CHECK(contains(parse_error(bytes), reason));
}

TEST_CASE("a file cut at any byte is refused, in both forms") {
  const std::string piece = dict_of(pickle_tensor(pickle_storage("0", 12), 0, {2, 3}, {1, 2}));
  for (const std::string& whole :
       {torch_zip_bytes(piece, {{"0", floats()}}), torch_legacy_bytes(piece, {{"0", floats()}})}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      INFO("length " << length);
      CHECK(parse_error(whole.substr(0, length)) != "nothing was thrown");
    }
  }
}

TEST_CASE("a file with any byte changed is read or refused") {
  const std::string piece = dict_of(pickle_tensor(pickle_storage("0", 12), 0, {2, 3}, {1, 2}));
  for (const std::string& whole :
       {torch_zip_bytes(piece, {{"0", floats()}}), torch_legacy_bytes(piece, {{"0", floats()}})}) {
    for (size_t i = 0; i < whole.size() * 8; ++i) {
      std::string bytes = whole;
      bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
      thrown_text([&] {
        const TorchFile file = TorchFile::parse(as_bytes(bytes), "file");
        const PickleValue* value = file.root().find("w");
        if (value != nullptr && value->tensor) {
          file.read(*value->tensor);
        }
      });
    }
  }
}

TEST_CASE("a file is opened from disk, and a tensor of another file is not read from it") {
  const vim::test::TempFolder folder;
  const std::string piece = dict_of(pickle_tensor(pickle_storage("0", 12), 0, {2}, {1}));
  write_bytes(folder / "x.pth", torch_zip_bytes(piece, {{"0", floats()}}));
  const TorchFile file = TorchFile::open(folder / "x.pth");
  CHECK(file.is_zip());
  CHECK(file.name() == (folder / "x.pth").string());
  CHECK(values_of(file.read(*file.root().find("w")->tensor)) == std::vector<float>{0, 1});
  TorchTensor other = *file.root().find("w")->tensor;
  auto storage = std::make_shared<TorchStorage>(*other.storage);
  storage->key = "7";
  other.storage = storage;
  CHECK_THROWS_AS(file.read(other), std::invalid_argument);
  storage->key = "0";
  storage->num_elements = 1000;
  CHECK_THROWS_AS(file.read(other), std::invalid_argument);
  CHECK_THROWS_AS(TorchFile::open(folder / "absent.pth"), vim::Error);
}
