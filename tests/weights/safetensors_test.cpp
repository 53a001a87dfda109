// Reading and writing safetensors: every rule of the format, one broken at a time.
#include "src/weights/safetensors.h"

#include <array>
#include <cstring>
#include <string>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/weights/safetensors_bytes.h"

using namespace vim::weights;
using vim::test::as_bytes;
using vim::test::safetensors_bytes;

namespace {

// The text of the vim::Error that parsing throws, or "" if it throws none.
std::string parse_error(const std::string& bytes) {
  try {
    SafetensorsFile::parse(as_bytes(bytes), "file");
    return "";
  } catch (const vim::Error& error) {
    return error.what();
  }
}

std::string header_error(const std::string& header, const std::string& data = "") {
  return parse_error(safetensors_bytes(header, data));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A file with a 1-d, a 0-d and an empty tensor and metadata.
std::string small_file() {
  return safetensors_bytes(
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"I16","shape":[3],"data_offsets":[0,6]},)"
      R"("a":{"dtype":"U8","shape":[],"data_offsets":[6,7]},)"
      R"("e":{"dtype":"F32","shape":[2,0],"data_offsets":[7,7]}})",
      std::string("\x01\x00\x02\x00\x03\x00\x7F", 7));
}

}  // namespace

TEST_CASE("a file put together by hand is read with its tensors, shapes and texts") {
  const std::string bytes = small_file();
  const SafetensorsFile file = SafetensorsFile::parse(as_bytes(bytes));
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.metadata().at("k") == "v");
  CHECK(file.find("missing") == nullptr);

  const TensorInfo* b = file.find("b");
  REQUIRE(b != nullptr);
  CHECK(b->type == TensorType::kI16);
  CHECK(b->shape == std::vector<int64_t>{3});
  std::array<int16_t, 3> values{};
  REQUIRE(file.data(*b).size() == 6);
  std::memcpy(values.data(), file.data(*b).data(), 6);
  CHECK(values == std::array<int16_t, 3>{1, 2, 3});
  CHECK(file.find("a")->shape.empty());
  CHECK(std::to_integer<int>(file.data(*file.find("a"))[0]) == 0x7F);
  CHECK(file.find("e")->shape == std::vector<int64_t>{2, 0});
  CHECK(file.data(*file.find("e")).empty());
}

TEST_CASE("a file without tensors is read") {
  const std::string bytes = safetensors_bytes("{}", "");
  CHECK(SafetensorsFile::parse(as_bytes(bytes)).tensors().empty());
}

TEST_CASE("a file cut at any byte is refused") {
  const std::string bytes = small_file();
  for (size_t length = 0; length < bytes.size(); ++length) {
    INFO("length " << length);
    CHECK_FALSE(parse_error(bytes.substr(0, length)).empty());
  }
  CHECK(contains(parse_error(bytes + "x"), "the file holds 8"));
}

TEST_CASE("a header length beyond the file or beyond 100 MB is refused") {
  std::string bytes = small_file();
  bytes[7] = '\x7F';
  CHECK(contains(parse_error(bytes), "more than 100 MB"));
  bytes = small_file();
  bytes[1] = '\x40';
  CHECK(contains(parse_error(bytes), "the header claims"));
}

TEST_CASE("headers that are not the format's JSON are refused with the reason") {
  const auto [header, reason] = GENERATE(table<std::string, std::string>({
      {"", "does not start with {"},
      {"[]", "does not start with {"},
      {R"({"a":1})", "a number stands where none may"},
      {R"({"a":"x"})", "a text stands where none may"},
      {R"({"a":[1]})", "a list stands where none may"},
      {R"({"a":null})", "null stands"},
      {R"({"a":true})", "true or false"},
      {R"({"a":{"dtype":{}}})", "an object stands where none may"},
      {R"({"a":{"shape":[[1]]}})", "a list stands where none may"},
      {R"({"a":{"shape":[{}]}})", "an object stands where none may"},
      {R"({"a":{"shape":["1"]}})", "a text stands where none may"},
      {R"({"a":{"shape":[-1]}})", "negative"},
      {R"({"a":{"shape":[1.0]}})", "not a whole number"},
      {R"({"a":{"shape":[1e999]}})", "not valid JSON"},
      {R"({"a":{"shape":[9223372036854775808]}})", "too large"},
      {R"({"a":{"shape":[99999999999999999999]}})", "not a whole number below 2^63"},
      {R"({"a":{"dtype":"F31"}})", "the element type \"F31\""},
      {R"({"a":{"dtype":"U8","shape":[]}})", "\"data_offsets\" is missing"},
      {R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0]}})", "two numbers, has 1"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":"y"}})", "a text stands"},
      {R"({"a":{"dtype":"U8","dtype":"U8"}})", "\"dtype\" appears twice"},
      {R"({"__metadata__":{"k":1}})", "a number stands"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", "\"k\" appears twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "the name appears twice"},
      {R"({} x)", "not valid JSON"},
      {"{\"\xFF\":{}}", "not valid JSON"},
  }));
  INFO(header);
  CHECK(contains(header_error(header), reason));
  CHECK(header_error(header).starts_with("file: "));
}

TEST_CASE("a header nested a million deep is refused without using the stack") {
  std::string header = "{\"a\":";
  header.append(1'000'000, '[');
  CHECK(contains(header_error(header), "a list stands where none may"));
}

TEST_CASE("ranges that leave gaps, overlap or disagree with the shape are refused") {
  const auto tensor = [](const char* name, const char* shape, const char* range) {
    return std::string("\"") + name + R"(":{"dtype":"U8","shape":)" + shape +
           R"(,"data_offsets":)" + range + "}";
  };
  const auto file = [](const std::string& tensors) { return "{" + tensors + "}"; };
  const std::string data = "0123";
  const std::string first = tensor("a", "[2]", "[0,2]") + ",";
  CHECK(header_error(file(first + tensor("b", "[2]", "[2,4]")), data).empty());
  CHECK(contains(
      header_error(file(first + tensor("b", "[1]", "[3,4]")), data), "the one before ends at 2"));
  CHECK(contains(
      header_error(file(first + tensor("b", "[3]", "[1,4]")), data), "the one before ends at 2"));
  CHECK(contains(header_error(file(first + tensor("b", "[3]", "[2,4]")), data), "need 3 bytes"));
  CHECK(contains(header_error(file(first + tensor("b", "[2]", "[4,2]")), data), "need 2 bytes"));
  CHECK(contains(
      header_error(file(first + tensor("b", "[3]", "[2,5]")), data), "need 5 bytes of data"));
  CHECK(contains(header_error(file(tensor("b", "[2]", "[0,2]")), data), "the file holds 4"));
}

TEST_CASE("shapes whose product overflows are refused") {
  const auto with_shape = [](const std::string& shape) {
    return R"({"a":{"dtype":"F64","shape":)" + shape + R"(,"data_offsets":[0,0]}})";
  };
  CHECK(contains(header_error(with_shape("[4294967296,4294967296]")), "too large"));
  CHECK(contains(header_error(with_shape("[1152921504606846976]")), "too large"));
  CHECK(header_error(with_shape("[0,4294967296,268435455]")).empty());
}

TEST_CASE("names in errors are cleaned of control characters") {
  const std::string error = header_error("{\"a\\u001b[2J\":1}");
  CHECK(contains(error, "a?[2J"));
}

TEST_CASE("what is written is read back, for every type and awkward shapes") {
  const vim::test::TempFolder folder;
  std::vector<std::byte> data(2 * 3 * 8);
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::byte>(i * 7);
  }
  std::vector<TensorToWrite> tensors;
  for (int i = 0; i <= static_cast<int>(TensorType::kF8E5M2); ++i) {
    const auto type = static_cast<TensorType>(i);
    const std::string name(type_name(type));
    const std::span<const std::byte> bytes(data);
    tensors.push_back({name + ".matrix", type, {2, 3}, bytes.first(6 * type_size(type))});
    tensors.push_back({name + ".scalar", type, {}, bytes.first(type_size(type))});
    tensors.push_back({name + ".empty", type, {0, 5}, {}});
  }
  write_safetensors(folder / "x.safetensors", tensors, {{"text", "\"quoted\"\n\xC3\xA9"}});
  const SafetensorsFile file = SafetensorsFile::open(folder / "x.safetensors");
  CHECK(file.metadata().at("text") == "\"quoted\"\n\xC3\xA9");
  REQUIRE(file.tensors().size() == tensors.size());
  for (const TensorToWrite& tensor : tensors) {
    INFO(tensor.name);
    const TensorInfo* info = file.find(tensor.name);
    REQUIRE(info != nullptr);
    CHECK(info->type == tensor.type);
    CHECK(info->shape == tensor.shape);
    const auto stored = file.data(*info);
    CHECK(std::equal(stored.begin(), stored.end(), tensor.data.begin(), tensor.data.end()));
    CHECK(reinterpret_cast<uintptr_t>(stored.data()) % type_size(tensor.type) == 0);
  }
}

TEST_CASE("the bytes written are the format's, for one small tensor") {
  const vim::test::TempFolder folder;
  const std::string data("\x01\x02\x03\x04", 4);
  write_safetensors(folder / "x", {{"w", TensorType::kU8, {2, 2}, as_bytes(data)}}, {{"k", "v"}});
  std::string header =
      R"({"__metadata__":{"k":"v"},"w":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(vim::test::read_bytes(folder / "x") == safetensors_bytes(header, data));
}

TEST_CASE("writing refuses what could not be read back") {
  const vim::test::TempFolder folder;
  const std::string data(4, '\0');
  const auto write = [&](const std::vector<TensorToWrite>& tensors) {
    write_safetensors(folder / "x", tensors, {});
  };
  const TensorToWrite good{"w", TensorType::kU8, {4}, as_bytes(data)};
  CHECK_THROWS_AS(write({good, good}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"w", TensorType::kF32, {4}, as_bytes(data)}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"w", TensorType::kU8, {-4}, as_bytes(data)}}), std::invalid_argument);
  CHECK_THROWS_AS(
      write({{"__metadata__", TensorType::kU8, {4}, as_bytes(data)}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"\xFF", TensorType::kU8, {4}, as_bytes(data)}}), vim::Error);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("an absent file, a folder and an empty file are refused by name") {
  const vim::test::TempFolder folder;
  vim::test::write_bytes(folder / "empty", "");
  for (const char* name : {"absent", "", "empty"}) {
    const std::filesystem::path path = folder / name;
    CHECK_THROWS_WITH(SafetensorsFile::open(path), Catch::Contains(path.string()));
  }
}

TEST_CASE("a copy keeps the mapping alive after the original is gone") {
  const vim::test::TempFolder folder;
  vim::test::write_bytes(folder / "x", small_file());
  auto first = std::make_unique<SafetensorsFile>(SafetensorsFile::open(folder / "x"));
  const SafetensorsFile copy = *first;
  first.reset();
  CHECK(std::to_integer<int>(copy.data(*copy.find("a"))[0]) == 0x7F);
}
