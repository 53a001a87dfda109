// One door for every weight file: recognised by content, sets under their bare names.
#include "src/weights/weight_file.h"

#include <string>

#include "src/weights/checkpoint_file.h"
#include "src/weights/safetensors.h"
#include "src/weights/torch_file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/weights/safetensors_bytes.h"
#include "tests/weights/torch_bytes.h"

using namespace vim::weights;
using namespace vim::test;

namespace {

using Names = std::vector<std::string>;

const std::string kData = "abcdwxyz";

// A tensor of the given element of storage "0", which holds kData.
std::string scalar(int64_t element) {
  return pickle_tensor(pickle_storage("0", 2), element, {}, {});
}

WeightFile parse_torch(const std::string& piece, std::string& bytes) {
  bytes = torch_zip_bytes(piece, {{"0", kData}});
  return WeightFile::parse(as_bytes(bytes), "file");
}

std::string error_of(const std::string& piece) {
  std::string bytes;
  return thrown_text([&] { parse_torch(piece, bytes); });
}

Names names_of(const WeightFile& file, const std::string& set) {
  Names names;
  for (const WeightTensor& tensor : file.tensors(set)) {
    names.push_back(tensor.name);
  }
  return names;
}

std::string text_of(const WeightFile& file, const std::string& set, const std::string& name) {
  const WeightTensor* tensor = file.find(set, name);
  REQUIRE(tensor != nullptr);
  const TensorBytes bytes = file.read(set, *tensor);
  return {reinterpret_cast<const char*>(bytes.view().data()), bytes.view().size()};
}

}  // namespace

TEST_CASE("sets of a file of torch.save are found under the names programs give them") {
  const std::string dict = pickle_dict({{"w", scalar(0)}});
  const std::string other = pickle_dict({{"w", scalar(1)}});
  const std::string odd = pickle_dict({{"epoch", "K\x01"}});
  const auto [piece, sets] = GENERATE_COPY(table<std::string, Names>({
      {dict, {"model"}},
      {pickle_dict({{"model", dict}}), {"model"}},
      {pickle_dict({{"model", dict}, {"model_ema", other}, {"epoch", "K\x01"}}), {"model", "ema"}},
      {pickle_dict({{"state_dict", dict}, {"state_dict_ema", other}}), {"model", "ema"}},
      {pickle_dict({{"module", dict}}), {"model"}},
      {pickle_dict({{"net", dict}}), {"model"}},
      {pickle_dict({{"model", pickle_dict({{"model", dict}})}}), {"model"}},
      {pickle_dict({{"model", odd}}), {}},
      {pickle_dict({{"ema", other}}), {"ema"}},
      {pickle_dict({{"best", scalar(1)}, {"model", dict}}), {"model"}},
  }));
  std::string bytes;
  if (sets.empty()) {
    CHECK(contains(error_of(piece), "\"epoch\" is a number, a tensor is needed"));
    return;
  }
  const WeightFile file = parse_torch(piece, bytes);
  CHECK(file.sets() == sets);
  for (const std::string& set : sets) {
    CHECK(text_of(file, set, "w") == (set == "ema" ? "wxyz" : "abcd"));
  }
}

TEST_CASE("what wraps every name is cut off and told") {
  std::string bytes;
  const auto wrapped = [&](const std::string& prefix, const std::string& other) {
    return parse_torch(pickle_dict({{prefix + "a", scalar(0)}, {other + "b", scalar(1)}}), bytes);
  };
  CHECK(names_of(wrapped("module.", "module."), "model") == Names{"a", "b"});
  CHECK(wrapped("module.", "module.").stripped_prefix("model") == "module.");
  CHECK(
      wrapped("model._orig_mod.", "model._orig_mod.").stripped_prefix("model") ==
      "model._orig_mod.");
  CHECK(names_of(wrapped("module.", ""), "model") == Names{"module.a", "b"});
  CHECK(wrapped("head.", "head.").stripped_prefix("model").empty());
  CHECK(text_of(wrapped("module.", "module."), "model", "b") == "wxyz");
}

TEST_CASE("what is no state dict is refused by file and key") {
  const std::string call = pickle_call("posix", "system", {pickle_text("x")});
  const auto [piece, reason] = GENERATE_COPY(table<std::string, std::string>({
      {"K\x01", "file: holds no state dict (it holds a number)"},
      {pickle_dict({{"epoch", "K\x01"}}), "its entries are: epoch"},
      {scalar(0), "it holds a tensor"},
      {call, "it holds an object of posix.system"},
      {pickle_dict({{"model", pickle_dict({{"w", call}, {"v", scalar(0)}})}}),
       "file: model: \"w\" is an object of posix.system, which is never run, a tensor is needed"},
      {pickle_dict({{"model", "}" + call + scalar(0) + "s"}}),
       "a key is an object of posix.system"},
      {pickle_dict({{"w", scalar(0)}, {"w", scalar(1)}}), "the name \"w\" appears twice"},
  }));
  INFO(error_of(piece));
  CHECK(contains(error_of(piece), reason));
}

TEST_CASE("plain safetensors are one set with their texts") {
  const std::string bytes = safetensors_bytes(
      R"({"__metadata__":{"k":"v"},"module.w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
      "abcd");
  const WeightFile file = WeightFile::parse(as_bytes(bytes), "file");
  CHECK(file.format() == WeightFile::Format::kSafetensors);
  CHECK(file.sets() == Names{"model"});
  CHECK(text_of(file, "model", "w") == "abcd");
  CHECK(file.stripped_prefix("model") == "module.");
  CHECK(file.metadata().at("k") == "v");
  CHECK(file.torch() == nullptr);
  CHECK(file.safetensors() != nullptr);
  CHECK(contains(
      thrown_text([&] { file.tensors("ema"); }), "file: holds no ema weights; drop --which"));
}

TEST_CASE("plain safetensors with both sets show both") {
  const std::string both = safetensors_bytes(
      R"({"model.w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
      R"("ema.w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
      kData);
  const WeightFile file = WeightFile::parse(as_bytes(both), "file");
  CHECK(file.sets() == Names{"model", "ema"});
  CHECK(text_of(file, "ema", "w") == "wxyz");
}

TEST_CASE("our checkpoints are verified, and their sets separated") {
  const TempFolder folder;
  // The suffix says nothing.
  write_checkpoint(
      folder / "x.pth",
      {{"model.w", TensorType::kF32, {1}, as_bytes("abcd")},
       {"ema.w", TensorType::kF32, {1}, as_bytes("wxyz")},
       {"optim.exp_avg.w", TensorType::kF32, {1}, as_bytes("0123")}},
      {{"config", "c"}});
  const WeightFile file = WeightFile::open(folder / "x.pth");
  CHECK(file.format() == WeightFile::Format::kCheckpoint);
  CHECK(file.sets() == Names{"model", "ema"});
  CHECK(names_of(file, "ema") == Names{"w"});
  CHECK(text_of(file, "ema", "w") == "wxyz");
  CHECK(file.metadata().at("config") == "c");
  std::string bytes = read_bytes(folder / "x.pth");
  bytes[bytes.find("0123")] = '1';
  write_bytes(folder / "y", bytes);
  const std::string error = thrown_text([&] { WeightFile::open(folder / "y"); });
  CHECK(contains(error, "\"optim.exp_avg.w\" does not match its checksum"));
}

TEST_CASE("forms are told apart by content, from disk as from memory") {
  const TempFolder folder;
  const std::string dict = pickle_dict({{"w", scalar(0)}});
  write_bytes(folder / "a.safetensors", torch_zip_bytes(dict, {{"0", kData}}));
  write_bytes(folder / "b.safetensors", torch_legacy_bytes(dict, {{"0", kData}}));
  write_bytes(folder / "c.pth", "text");
  CHECK(WeightFile::open(folder / "a.safetensors").format() == WeightFile::Format::kTorchZip);
  CHECK(WeightFile::open(folder / "b.safetensors").format() == WeightFile::Format::kTorchLegacy);
  CHECK(contains(
      thrown_text([&] { WeightFile::open(folder / "c.pth"); }), "c.pth: neither safetensors"));
  CHECK(WeightFile::open(folder / "a.safetensors").torch() != nullptr);
  CHECK(WeightFile::open(folder / "a.safetensors").metadata().empty());
}

TEST_CASE("a tensor of another set is not read") {
  std::string bytes;
  const WeightFile file = parse_torch(pickle_dict({{"w", scalar(0)}}), bytes);
  CHECK(file.find("model", "v") == nullptr);
  CHECK_THROWS_AS(file.read("model", {"v", TensorType::kF32, {}}), std::invalid_argument);
}
