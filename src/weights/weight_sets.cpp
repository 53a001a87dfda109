// Which entry of a file is which set, and what its tensors are called.
#include "src/weights/weight_sets.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "src/core/error.h"
#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

// What programs call the two sets, the official one first.
constexpr std::array<std::string_view, 6> kModelKeys = {
    "model", "state_dict", "model_state_dict", "module", "net", "model_state"};
constexpr std::array<std::string_view, 5> kEmaKeys = {
    "model_ema", "state_dict_ema", "ema_state_dict", "ema", "ema_model"};

// What wrappers put in front of every name.
constexpr std::array<std::string_view, 3> kWrappers = {"module.", "_orig_mod.", "model."};

constexpr int kDeepestSet = 3;  // {"state_dict": {"model": {...}}}

bool all_begin(const std::vector<WeightTensor>& tensors, std::string_view prefix) {
  return !tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
    return std::string_view(tensor.name).starts_with(prefix) && tensor.name.size() > prefix.size();
  });
}

void strip_wrappers(WeightSet& set) {
  for (bool is_done = false; !is_done;) {
    is_done = true;
    for (const std::string_view wrapper : kWrappers) {
      if (!all_begin(set.tensors, wrapper)) {
        continue;
      }
      for (WeightTensor& tensor : set.tensors) {
        tensor.name.erase(0, wrapper.size());
      }
      set.stripped_prefix += wrapper;
      is_done = false;
    }
  }
}

void index_names(WeightSet& set, const std::string& file_name) {
  for (size_t i = 0; i < set.tensors.size(); ++i) {
    if (!set.index.emplace(set.tensors[i].name, i).second) {
      throw Error(
          file_name + ": " + set.name + ": the name \"" + printable(set.tensors[i].name) +
          "\" appears twice; the file is damaged, write it again");
    }
  }
}

// The tensors whose names begin with the prefix, which is cut off.
WeightSet take_prefix(
    const SafetensorsFile& file, const std::string& name, std::string_view prefix) {
  WeightSet set;
  set.name = name;
  for (const TensorInfo& info : file.tensors()) {
    if (std::string_view(info.name).starts_with(prefix)) {
      set.tensors.push_back({info.name.substr(prefix.size()), info.type, info.shape});
      set.stored.push_back(&info);
    }
  }
  return set;
}

// Both sets in a plain file, as vim_convert --which all writes them.
bool holds_both(const SafetensorsFile& file) {
  size_t num_model = 0;
  size_t num_ema = 0;
  for (const TensorInfo& info : file.tensors()) {
    num_model += info.name.starts_with("model.") ? 1 : 0;
    num_ema += info.name.starts_with("ema.") ? 1 : 0;
  }
  return num_model > 0 && num_ema > 0 && num_model + num_ema == file.tensors().size();
}

bool holds_tensor(const PickleValue& dict) {
  return std::any_of(dict.pairs.begin(), dict.pairs.end(), [](const auto& pair) {
    return pair.second->is(PickleKind::kTensor);
  });
}

// The dict under the first of the keys that has one.
template <size_t N>
const PickleValue* find_dict(const PickleValue& dict, const std::array<std::string_view, N>& keys) {
  for (const std::string_view key : keys) {
    const PickleValue* value = dict.find(key);
    if (value != nullptr && value->is(PickleKind::kDict)) {
      return value;
    }
  }
  return nullptr;
}

// A dict of tensors, or the one nested in it.
const PickleValue* find_tensors(const PickleValue* dict) {
  for (int depth = 0; dict != nullptr && depth < kDeepestSet; ++depth) {
    if (holds_tensor(*dict)) {
      return dict;
    }
    const PickleValue* inner = find_dict(*dict, kModelKeys);
    if (inner == nullptr) {
      return dict;
    }
    dict = inner;
  }
  return dict;
}

WeightSet take_dict(
    const PickleValue& dict, const std::string& name, const std::string& file_name) {
  WeightSet set;
  set.name = name;
  for (const auto& [key, value] : dict.pairs) {
    if (!key->is(PickleKind::kString)) {
      throw Error(
          file_name + ": " + name + ": a key is " + describe(*key) +
          " where a tensor's name is needed; save a state_dict");
    }
    if (!value->is(PickleKind::kTensor)) {
      throw Error(
          file_name + ": " + name + ": \"" + printable(key->text) + "\" is " + describe(*value) +
          ", a tensor is needed; save a state_dict with nothing else in it");
    }
    set.tensors.push_back({key->text, value->tensor->type, value->tensor->shape});
    set.torch.push_back(value->tensor);
  }
  return set;
}

std::string list_keys(const PickleValue& dict) {
  constexpr size_t kMost = 10;
  std::string text;
  for (size_t i = 0; i < std::min(dict.pairs.size(), kMost); ++i) {
    text += (i == 0 ? "" : ", ") + short_text(*dict.pairs[i].first);
  }
  return dict.pairs.size() > kMost ? text + ", ..." : text;
}

[[noreturn]] void refuse(const TorchFile& file) {
  const PickleValue& root = file.root();
  const std::string held = root.is(PickleKind::kDict) ? "its entries are: " + list_keys(root)
                                                      : "it holds " + describe(root);
  throw Error(
      file.name() + ": holds no state dict (" + held +
      "); save the model's state_dict(), alone or under the key \"model\"");
}

void finish(std::vector<WeightSet>& sets, const std::string& file_name) {
  for (WeightSet& set : sets) {
    strip_wrappers(set);
    index_names(set, file_name);
  }
}

}  // namespace

std::vector<WeightSet> find_sets(const SafetensorsFile& file, bool is_checkpoint) {
  std::vector<WeightSet> sets;
  if (!is_checkpoint && !holds_both(file)) {
    sets.push_back(take_prefix(file, "model", ""));
  } else {
    for (const char* name : {"model", "ema"}) {
      WeightSet set = take_prefix(file, name, std::string(name) + ".");
      if (!set.tensors.empty()) {
        sets.push_back(std::move(set));
      }
    }
  }
  finish(sets, file.name());
  return sets;
}

std::vector<WeightSet> find_sets(const TorchFile& file) {
  const PickleValue& root = file.root();
  if (!root.is(PickleKind::kDict)) {
    refuse(file);
  }
  const PickleValue* model = find_dict(root, kModelKeys);
  const PickleValue* ema = find_dict(root, kEmaKeys);
  if (model == nullptr && ema == nullptr && holds_tensor(root)) {
    model = &root;
  }
  std::vector<WeightSet> sets;
  if (model != nullptr) {
    sets.push_back(take_dict(*find_tensors(model), "model", file.name()));
  }
  if (ema != nullptr) {
    sets.push_back(take_dict(*find_tensors(ema), "ema", file.name()));
  }
  if (sets.empty()) {
    refuse(file);
  }
  finish(sets, file.name());
  return sets;
}

}  // namespace vim::weights
