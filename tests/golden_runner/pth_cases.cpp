// All comparisons are exact: an error is 0, or 1 where the values differ.
#include "tests/golden_runner/pth_cases.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/weights/official_checkpoint.h"
#include "src/weights/safetensors.h"
#include "src/weights/torch_file.h"
#include "src/weights/torch_types.h"
#include "src/weights/weight_file.h"

namespace vim::golden {
namespace {

using weights::PickleKind;
using weights::PickleValue;
using Json = nlohmann::ordered_json;

class Comparison {
 public:
  void expect(const std::string& what, bool is_equal) {
    checks_.push_back({what, is_equal ? 0.0 : 1.0, 0.0});
  }
  Checks take() { return std::move(checks_); }

 private:
  Checks checks_;
};

bool matches(const Json& expected, const PickleValue& value);

bool matches_list(const Json& expected, const PickleValue& value) {
  const bool is_list = value.is(PickleKind::kList) || value.is(PickleKind::kTuple);
  return is_list && std::equal(
                        expected.begin(),
                        expected.end(),
                        value.items.begin(),
                        value.items.end(),
                        [](const Json& a, const PickleValue* b) { return matches(a, *b); });
}

// In order too.
bool matches_dict(const Json& expected, const PickleValue& value) {
  if (!value.is(PickleKind::kDict) || value.pairs.size() != expected.size()) {
    return false;
  }
  size_t i = 0;
  for (const auto& [key, entry] : expected.items()) {
    const auto& pair = value.pairs[i++];
    if (pair.first->text != key || !matches(entry, *pair.second)) {
      return false;
    }
  }
  return true;
}

bool matches(const Json& expected, const PickleValue& value) {
  switch (expected.type()) {
    case Json::value_t::null:
      return value.is(PickleKind::kNone);
    case Json::value_t::boolean:
      return value.is(PickleKind::kBool) && (value.integer != 0) == expected.get<bool>();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return value.is(PickleKind::kInt) && value.integer == expected.get<int64_t>();
    case Json::value_t::number_float:
      return value.is(PickleKind::kFloat) && value.real == expected.get<double>();
    case Json::value_t::string:
      return value.is(PickleKind::kString) && value.text == expected.get<std::string>();
    case Json::value_t::array:
      return matches_list(expected, value);
    case Json::value_t::object:
      return matches_dict(expected, value);
    default:
      return false;
  }
}

std::vector<std::string> keys_of(const PickleValue& dict) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : dict.pairs) {
    keys.push_back(key->text);
  }
  return keys;
}

// Every tensor of the file under the name that the expected file gives it.
using Tensors = std::map<std::string, const weights::TorchTensor*>;

void collect(const PickleValue& dict, const std::string& prefix, Tensors& tensors) {
  for (const auto& [key, value] : dict.pairs) {
    if (value->is(PickleKind::kTensor)) {
      tensors[prefix + weights::short_text(*key)] = value->tensor.get();
    }
  }
}

Tensors collect_all(const PickleValue& root) {
  Tensors tensors;
  collect(root, "", tensors);
  for (const char* set : {"model", "model_ema"}) {
    if (const PickleValue* dict = root.find(set)) {
      collect(*dict, std::string(set) + "/", tensors);
    }
  }
  const PickleValue* optimizer = root.find("optimizer");
  const PickleValue* state = optimizer != nullptr ? optimizer->find("state") : nullptr;
  if (state != nullptr) {
    for (const auto& [index, moments] : state->pairs) {
      collect(*moments, "optimizer/" + weights::short_text(*index) + "/", tensors);
    }
  }
  return tensors;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void compare_tensors(
    const weights::TorchFile& file, const weights::SafetensorsFile& expected, Comparison& result) {
  const Tensors tensors = collect_all(file.root());
  result.expect("number of tensors", tensors.size() == expected.tensors().size());
  for (const weights::TensorInfo& info : expected.tensors()) {
    const auto found = tensors.find(info.name);
    const bool is_equal = found != tensors.end() && found->second->type == info.type &&
                          found->second->shape == info.shape &&
                          same_bytes(file.read(*found->second), expected.data(info));
    result.expect(info.name, is_equal);
  }
}

// The same tensors through the door that programs use.
void compare_sets(
    const weights::WeightFile& file, const weights::SafetensorsFile& expected, Comparison& result) {
  for (const std::string& set : file.sets()) {
    const std::string entry = set == "ema" ? "model_ema/" : "model/";
    for (const weights::WeightTensor& tensor : file.tensors(set)) {
      const std::string name = file.stripped_prefix(set) + tensor.name;
      const weights::TensorInfo* info = expected.find(entry + name);
      info = info != nullptr ? info : expected.find(name);
      const bool is_equal = info != nullptr && info->type == tensor.type &&
                            info->shape == tensor.shape &&
                            same_bytes(file.read(set, tensor), expected.data(*info));
      result.expect("set " + set + ": " + tensor.name, is_equal);
    }
  }
}

void compare_group(const Json& expected, const weights::OfficialGroup& group, Comparison& result) {
  const bool is_equal =
      group.lr == expected.at("lr") && group.initial_lr == expected.at("initial_lr") &&
      group.weight_decay == expected.at("weight_decay") &&
      group.beta1 == expected.at("betas").at(0) && group.beta2 == expected.at("betas").at(1) &&
      group.eps == expected.at("eps") &&
      group.parameters == expected.at("params").get<std::vector<int64_t>>();
  result.expect("group of " + std::to_string(group.parameters.size()), is_equal);
}

void compare_moments(
    const weights::WeightFile& file,
    const weights::OfficialTrainingState& state,
    const weights::SafetensorsFile& expected,
    const Json& order,
    Comparison& result) {
  result.expect("number of moments", state.moments.size() == order.size());
  for (const auto& [index, moments] : state.moments) {
    const std::string where = "optimizer/" + std::to_string(index) + "/";
    const weights::TensorInfo* step = expected.find(where + "step");
    float value = -1.0F;
    if (step != nullptr && step->type == weights::TensorType::kF32) {
      std::memcpy(&value, expected.data(*step).data(), sizeof(value));
    }
    const weights::TensorInfo& first = *expected.find(where + "exp_avg");
    const weights::TensorInfo& second = *expected.find(where + "exp_avg_sq");
    const auto* parameter =
        file.find("model", order.at(static_cast<size_t>(index)).get<std::string>());
    const bool is_equal =
        moments.step == value && parameter != nullptr &&
        parameter->shape == moments.exp_avg->shape &&
        same_bytes(file.torch()->read(*moments.exp_avg), expected.data(first)) &&
        same_bytes(file.torch()->read(*moments.exp_avg_sq), expected.data(second));
    result.expect(where, is_equal);
  }
}

void compare_schedule(
    const Json& expected, const weights::OfficialTrainingState& state, Comparison& result) {
  for (const auto& [key, value] : expected.items()) {
    const bool is_list = value.is_array();
    if (value.is_number() || is_list) {
      const auto numbers =
          is_list ? value.get<std::vector<double>>() : std::vector<double>{value.get<double>()};
      const auto found = state.schedule.find(key);
      result.expect("schedule " + key, found != state.schedule.end() && found->second == numbers);
    }
  }
}

void compare_scaler(
    const Json& expected,
    const std::optional<weights::OfficialScaler>& scaler,
    Comparison& result) {
  if (!expected.is_object()) {
    result.expect("no scaler", !scaler.has_value());
    return;
  }
  const bool is_equal = scaler && scaler->scale == expected.at("scale") &&
                        scaler->growth_factor == expected.at("growth_factor") &&
                        scaler->backoff_factor == expected.at("backoff_factor") &&
                        scaler->growth_interval == expected.at("growth_interval") &&
                        scaler->growth_tracker == expected.at("_growth_tracker");
  result.expect("scaler as typed state", is_equal);
}

void compare_state(
    const weights::WeightFile& file,
    const Json& facts,
    const weights::SafetensorsFile& expected,
    Comparison& result) {
  const auto state = weights::read_official_state(file);
  result.expect("training state", state.has_value() == facts.contains("optimizer_groups"));
  if (!state || !facts.contains("optimizer_groups")) {
    return;
  }
  const Json& groups = facts.at("optimizer_groups");
  result.expect("number of groups", state->groups.size() == groups.size());
  for (size_t i = 0; i < std::min(state->groups.size(), groups.size()); ++i) {
    compare_group(groups.at(i), state->groups[i], result);
  }
  compare_moments(file, *state, expected, facts.at("optimizer_order"), result);
  compare_schedule(facts.at("lr_scheduler"), *state, result);
  compare_scaler(facts.at("scaler"), state->scaler, result);
  result.expect("epoch of the state", state->epoch == facts.at("epoch"));
  result.expect("args of the state", state->args.size() == facts.at("args").size());
}

// "float32" and so on, shapes, strides and offsets as saved.
void compare_layout(const weights::TorchFile& file, const Json& facts, Comparison& result) {
  const Tensors tensors = collect_all(file.root());
  if (facts.at("tensors").is_number()) {
    result.expect("stated number of tensors", tensors.size() == facts.at("tensors"));
    return;
  }
  for (const auto& [name, form] : facts.at("tensors").items()) {
    const weights::TorchTensor& tensor = *tensors.at(name);
    const std::string dtype = "torch." + form.at("dtype").get<std::string>();
    const bool is_equal = weights::dtype_of(tensor.type) == dtype &&
                          tensor.shape == form.at("shape").get<std::vector<int64_t>>();
    result.expect("form of " + name, is_equal);
  }
  const Json all_strides = facts.value("strides", Json::object());
  for (const auto& [name, strides] : all_strides.items()) {
    const bool is_equal =
        tensors.at("model/" + name)->strides == strides.get<std::vector<int64_t>>();
    result.expect("strides of " + name, is_equal);
  }
  const Json offsets = facts.value("offsets", Json::object());
  for (const auto& [name, offset] : offsets.items()) {
    result.expect("offset of " + name, tensors.at("model/" + name)->offset == offset);
  }
}

// Values that JSON cannot hold are written as Python prints them.
void compare_printed(const Json& expected, const PickleValue& list, Comparison& result) {
  result.expect("length of the printed list", list.items.size() == expected.size());
  for (size_t i = 0; i < std::min(list.items.size(), expected.size()); ++i) {
    std::string text = expected.at(i).get<std::string>();
    if (text == "10**30") {
      text = "1" + std::string(30, '0');
    }
    result.expect("printed " + text, weights::short_text(*list.items[i]) == text);
  }
}

void compare_args(const PickleValue& root, const Json& facts, Comparison& result) {
  const PickleValue* args = root.find("args");
  const PickleValue* attributes = args != nullptr ? args->attributes() : nullptr;
  result.expect("args", attributes != nullptr && matches(facts.at("args"), *attributes));
  result.expect(
      "class of args", args != nullptr && args->text == facts.at("args_class").get<std::string>());
}

void compare_object(const PickleValue& root, const Json& facts, Comparison& result) {
  for (const char* key : {"epoch", "scaler", "lr_scheduler", "max_accuracy"}) {
    if (facts.contains(key)) {
      const PickleValue* value = root.find(key);
      result.expect(key, value != nullptr && matches(facts.at(key), *value));
    }
  }
  const auto list = [&facts](const char* key) {
    return facts.value(key, Json::array()).get<std::vector<std::string>>();
  };
  if (facts.contains("top_level_keys")) {
    result.expect("keys", keys_of(root) == list("top_level_keys"));
  }
  const PickleValue* model = root.find("model");
  if (facts.contains("model_keys")) {
    result.expect("keys of the model", model != nullptr && keys_of(*model) == list("model_keys"));
  }
  if (facts.contains("optimizer_groups")) {
    const PickleValue* groups = root.find("optimizer")->find("param_groups");
    result.expect("groups as stored", matches(facts.at("optimizer_groups"), *groups));
  }
  if (facts.contains("args")) {
    compare_args(root, facts, result);
  }
  if (facts.contains("nested")) {
    compare_printed(facts.at("nested"), *root.find("nested"), result);
  }
}

// Objects of unknown classes stay data: the call as a name, the instance with its attributes.
void compare_foreign(const PickleValue& root, Comparison& result) {
  const PickleValue* call = root.find("note");
  const PickleValue* instance = root.find("meter");
  result.expect("the call is kept", call != nullptr && call->is(PickleKind::kOpaque));
  result.expect("the instance is kept", instance != nullptr && instance->attributes() != nullptr);
}

// Opening looks at no storage, so every tensor is read too.
void expect_refusal(const std::filesystem::path& path, Comparison& result) {
  std::string message;
  try {
    const auto file = weights::TorchFile::open(path);
    for (const auto& [name, tensor] : collect_all(file.root())) {
      file.read(*tensor);
    }
    weights::WeightFile::open(path);
  } catch (const vim::Error& error) {
    message = error.what();
  }
  result.expect("refused: " + message, message.starts_with(path.string() + ": "));
}

Json facts_of(const std::filesystem::path& path) {
  std::ifstream stream(path.parent_path() / "expected.json");
  return Json::parse(stream).at("files").at(path.stem().string());
}

}  // namespace

Checks run_pth(const std::filesystem::path& path) {
  Comparison result;
  if (path.filename().string().starts_with("broken_")) {
    expect_refusal(path, result);
    return result.take();
  }
  const Json facts = facts_of(path);
  const auto file = weights::WeightFile::open(path);
  const auto expected = weights::SafetensorsFile::open(
      std::filesystem::path(path).replace_extension(".expected.safetensors"));
  result.expect("form", file.torch()->is_zip() == (facts.at("format") == "zip"));
  compare_tensors(*file.torch(), expected, result);
  compare_sets(file, expected, result);
  compare_layout(*file.torch(), facts, result);
  compare_object(file.torch()->root(), facts, result);
  compare_state(file, facts, expected, result);
  if (path.stem() == "foreign_objects") {
    compare_foreign(file.torch()->root(), result);
  }
  return result.take();
}

}  // namespace vim::golden
