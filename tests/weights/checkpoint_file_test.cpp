// The checkpoint container: nothing that changed since it was written passes as whole.
#include "src/weights/checkpoint_file.h"

#include <string>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/weights/safetensors_bytes.h"

using namespace vim::weights;
using vim::test::as_bytes;

namespace {

const std::string kWeight = "0123456789abcdef";
const std::string kBias = "wxyz";

void write_small(const std::filesystem::path& path) {
  write_checkpoint(
      path,
      {{"model.weight", TensorType::kF32, {2, 2}, as_bytes(kWeight)},
       {"model.bias", TensorType::kF32, {1}, as_bytes(kBias)}},
      {{"config", "model: {depth: 2}\n"}, {"state", R"({"header_checksum":"0","step":7})"}});
}

std::string small_checkpoint() {
  const vim::test::TempFolder folder;
  write_small(folder / "x");
  return vim::test::read_bytes(folder / "x");
}

std::string error_of(const std::string& bytes) {
  try {
    parse_checkpoint(as_bytes(bytes), "file");
    return "";
  } catch (const vim::Error& error) {
    return error.what();
  }
}

// Replaces text of equal length inside the file.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  REQUIRE(from.size() == to.size());
  const size_t position = bytes.find(from);
  REQUIRE(position != std::string::npos);
  return bytes.replace(position, from.size(), to);
}

// Puts the right checksum into a header that was changed, as a writer of another version would.
std::string resealed(std::string bytes) {
  const std::string key = "\"header_checksum\":\"";
  const size_t digits = bytes.find(key) + key.size();
  bytes.replace(digits, 16, 16, '0');
  const SafetensorsFile file = SafetensorsFile::parse(as_bytes(bytes));
  const std::string sum = vim::core::to_hex(vim::core::xxh3_64(as_bytes(file.header_text())));
  return bytes.replace(digits, 16, sum);
}

}  // namespace

TEST_CASE("a checkpoint gives back its tensors and texts") {
  const vim::test::TempFolder folder;
  write_small(folder / "x");
  const SafetensorsFile file = read_checkpoint(folder / "x");
  CHECK(file.metadata().at("format") == kCheckpointFormat);
  CHECK(file.metadata().at("config") == "model: {depth: 2}\n");
  CHECK(file.metadata().at("state") == R"({"header_checksum":"0","step":7})");
  const auto stored = file.data(*file.find("model.bias"));
  CHECK(std::string(reinterpret_cast<const char*>(stored.data()), stored.size()) == kBias);
}

TEST_CASE("equal contents give equal bytes") { CHECK(small_checkpoint() == small_checkpoint()); }

TEST_CASE("any single flipped bit is noticed") {
  const std::string whole = small_checkpoint();
  REQUIRE(error_of(whole).empty());
  for (size_t i = 0; i < whole.size() * 8; ++i) {
    std::string bytes = whole;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
    INFO("byte " << i / 8 << ", bit " << i % 8);
    CHECK_FALSE(error_of(bytes).empty());
  }
}

TEST_CASE("a checkpoint cut at any byte is noticed") {
  const std::string whole = small_checkpoint();
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO("length " << length);
    CHECK_FALSE(error_of(whole.substr(0, length)).empty());
  }
}

TEST_CASE("damaged data name file and tensor") {
  const std::string error = error_of(replaced(small_checkpoint(), kBias, "wxyZ"));
  CHECK(error.starts_with("file: tensor \"model.bias\""));
}

TEST_CASE("a changed text in the header is noticed") {
  const std::string error = error_of(replaced(small_checkpoint(), "depth: 2", "depth: 3"));
  CHECK_THAT(error, Catch::Contains("header does not match"));
}

TEST_CASE("a checkpoint of another format version is refused as such") {
  const std::string bytes = resealed(
      replaced(small_checkpoint(), "visionmamba-checkpoint-1", "visionmamba-checkpoint-2"));
  CHECK_THAT(error_of(bytes), Catch::Contains("use the version that wrote it"));
}

TEST_CASE("sealed headers with unusable checksum lists are refused") {
  const std::string whole = small_checkpoint();
  CHECK(error_of(resealed(whole)).empty());
  const std::string lost = resealed(replaced(whole, "\"checksums\":", "\"checksumz\":"));
  CHECK_THAT(error_of(lost), Catch::Contains("carry no checksums"));
  const std::string broken = resealed(replaced(whole, "{\\\"model.bias", "[\\\"model.bias"));
  CHECK_THAT(error_of(broken), Catch::Contains("list of checksums"));
  const std::string renamed = resealed(replaced(whole, "\\\"model.bias", "\\\"model.bios"));
  CHECK_THAT(error_of(renamed), Catch::Contains("\"model.bias\" does not match"));
}

TEST_CASE("a safetensors file that is no checkpoint is told apart") {
  const std::string bytes = vim::test::safetensors_bytes("{}", "");
  CHECK_THAT(error_of(bytes), Catch::Contains("not a Vision Mamba checkpoint"));
  CHECK_FALSE(is_checkpoint(SafetensorsFile::parse(as_bytes(bytes))));
}

TEST_CASE("the container's own metadata keys are refused from callers") {
  const vim::test::TempFolder folder;
  for (const char* key : {"format", "checksums", "header_checksum"}) {
    CHECK_THROWS_AS(write_checkpoint(folder / "x", {}, {{key, "v"}}), std::invalid_argument);
  }
}

TEST_CASE("checkpoint names carry the step and nothing else passes for one") {
  CHECK(checkpoint_name(12000) == "step_00012000.safetensors");
  CHECK(checkpoint_name(1234567890) == "step_1234567890.safetensors");
  CHECK(checkpoint_step("a/step_00012000.safetensors") == 12000);
  CHECK(checkpoint_step("step_1234567890.safetensors") == 1234567890);
  for (const char* name :
       {"step_12000.safetensors",
        "step_.safetensors",
        "step_0001200x.safetensors",
        "step_00012000.pth",
        "step_00012000.safetensors.77.unfinished",
        "step_99999999999999999999999.safetensors",
        "best.safetensors"}) {
    INFO(name);
    CHECK(checkpoint_step(name) == -1);
  }
  CHECK_THROWS_AS(checkpoint_name(-1), std::invalid_argument);
}

TEST_CASE("checkpoints are listed newest first by step, not by name or time") {
  const vim::test::TempFolder folder;
  for (const char* name :
       {"step_100000000.safetensors",
        "step_00000002.safetensors",
        "step_00000010.safetensors",
        "step_00000099.safetensors.12.unfinished",
        "notes.txt"}) {
    vim::test::write_bytes(folder / name, "");
  }
  std::filesystem::create_directory(folder / "step_00000050.safetensors");
  const std::vector<std::filesystem::path> expected = {
      folder / "step_100000000.safetensors",
      folder / "step_00000010.safetensors",
      folder / "step_00000002.safetensors"};
  CHECK(list_checkpoints(folder.path()) == expected);
  CHECK(list_checkpoints(folder / "absent").empty());
  CHECK_THROWS_AS(list_checkpoints(folder / "notes.txt"), vim::Error);
}
