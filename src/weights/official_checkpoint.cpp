// From the value tree to typed state, with the way through the tree in every error.
#include "src/weights/official_checkpoint.h"

#include <cmath>
#include <cstring>

#include "src/core/error.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/torch_file.h"

namespace vim::weights {
namespace {

// A value with its place in the file: "FILE: optimizer.param_groups.0.lr".
class Place {
 public:
  Place(const TorchFile& file, const PickleValue& value) : file_(&file), value_(&value) {}

  const PickleValue& value() const { return *value_; }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(
        file_->name() + ": " + path_ + ": " + what + "; give a checkpoint of the official program");
  }

  // The entry of a dict, which must be there.
  Place at(const std::string& key) const {
    const PickleValue* found = value_->find(key);
    if (found == nullptr) {
      fail("the entry \"" + key + "\" is missing");
    }
    return inner(key, *found);
  }

  std::optional<Place> find(const std::string& key) const {
    const PickleValue* found = value_->find(key);
    return found == nullptr ? std::nullopt : std::optional(inner(key, *found));
  }

  Place inner(const std::string& key, const PickleValue& value) const {
    Place place(*file_, value);
    place.path_ = path_.empty() ? key : path_ + "." + key;
    return place;
  }

  std::vector<Place> items() const {
    if (!value_->is(PickleKind::kList) && !value_->is(PickleKind::kTuple)) {
      fail("expected a list, got " + describe(*value_));
    }
    std::vector<Place> places;
    for (size_t i = 0; i < value_->items.size(); ++i) {
      places.push_back(inner(std::to_string(i), *value_->items[i]));
    }
    return places;
  }

  int64_t integer() const {
    if (!value_->is(PickleKind::kInt)) {
      fail("expected a whole number, got " + describe(*value_));
    }
    return value_->integer;
  }

  // A number, or a tensor of one.
  double number() const {
    const std::optional<double> number =
        value_->is(PickleKind::kTensor) ? scalar() : value_->number();
    if (!number) {
      fail("expected a number, got " + describe(*value_));
    }
    return *number;
  }

  std::shared_ptr<const TorchTensor> tensor() const {
    if (!value_->is(PickleKind::kTensor)) {
      fail("expected a tensor, got " + describe(*value_));
    }
    return value_->tensor;
  }

 private:
  // The value of a tensor with one element, of the types that counters and scales have.
  std::optional<double> scalar() const {
    const TorchTensor& tensor = *value_->tensor;
    const TensorBytes bytes = file_->read(tensor);
    if (bytes.view().size() != type_size(tensor.type)) {
      return std::nullopt;
    }
    switch (tensor.type) {
      case TensorType::kF32:
        return copy_of<float>(bytes);
      case TensorType::kF64:
        return copy_of<double>(bytes);
      case TensorType::kI64:
        return static_cast<double>(copy_of<int64_t>(bytes));
      case TensorType::kI32:
        return copy_of<int32_t>(bytes);
      default:
        return std::nullopt;
    }
  }

  template <typename T>
  static T copy_of(const TensorBytes& bytes) {
    T value{};
    std::memcpy(&value, bytes.view().data(), sizeof(T));
    return value;
  }

  const TorchFile* file_;
  const PickleValue* value_;
  std::string path_;
};

OfficialGroup read_group(const Place& place) {
  OfficialGroup group;
  group.lr = place.at("lr").number();
  const std::optional<Place> initial = place.find("initial_lr");
  group.initial_lr = initial ? initial->number() : group.lr;
  group.weight_decay = place.at("weight_decay").number();
  group.eps = place.at("eps").number();
  const std::vector<Place> betas = place.at("betas").items();
  if (betas.size() != 2) {
    place.at("betas").fail("expected two numbers, got " + std::to_string(betas.size()));
  }
  group.beta1 = betas[0].number();
  group.beta2 = betas[1].number();
  for (const Place& index : place.at("params").items()) {
    group.parameters.push_back(index.integer());
  }
  return group;
}

OfficialMoments read_moments(const Place& place) {
  OfficialMoments moments;
  moments.step = place.at("step").number();
  moments.exp_avg = place.at("exp_avg").tensor();
  moments.exp_avg_sq = place.at("exp_avg_sq").tensor();
  if (moments.exp_avg->shape != moments.exp_avg_sq->shape) {
    place.fail("the two moments have different shapes");
  }
  return moments;
}

void read_optimizer(const Place& place, OfficialTrainingState& state) {
  for (const Place& group : place.at("param_groups").items()) {
    state.groups.push_back(read_group(group));
  }
  const Place moments = place.at("state");
  for (const auto& [key, value] : moments.value().pairs) {
    if (!key->is(PickleKind::kInt)) {
      moments.fail("a key is " + describe(*key) + ", a parameter's index is needed");
    }
    const Place entry = moments.inner(std::to_string(key->integer), *value);
    if (!state.moments.emplace(key->integer, read_moments(entry)).second) {
      entry.fail("the index appears twice");
    }
  }
}

// The numbers of a scheduler's entry; nothing where it is no number or a list of anything else.
std::optional<std::vector<double>> numbers_of(const PickleValue& value) {
  if (!value.is(PickleKind::kList) && !value.is(PickleKind::kTuple)) {
    const std::optional<double> number = value.number();
    return number ? std::optional(std::vector<double>{*number}) : std::nullopt;
  }
  std::vector<double> numbers;
  for (const PickleValue* item : value.items) {
    const std::optional<double> number = item->number();
    if (!number) {
      return std::nullopt;
    }
    numbers.push_back(*number);
  }
  return numbers;
}

std::map<std::string, std::vector<double>> read_schedule(const PickleValue& dict) {
  std::map<std::string, std::vector<double>> schedule;
  for (const auto& [key, value] : dict.pairs) {
    auto numbers = numbers_of(*value);
    if (key->is(PickleKind::kString) && numbers) {
      schedule[key->text] = std::move(*numbers);
    }
  }
  return schedule;
}

// The text "none", or an empty dict where scaling was off, stands for no scaler.
std::optional<OfficialScaler> read_scaler(const Place& place) {
  const bool is_none = !place.value().is(PickleKind::kDict) || place.value().pairs.empty();
  if (is_none) {
    return std::nullopt;
  }
  OfficialScaler scaler;
  scaler.scale = place.at("scale").number();
  scaler.growth_factor = place.at("growth_factor").number();
  scaler.backoff_factor = place.at("backoff_factor").number();
  scaler.growth_interval = place.at("growth_interval").integer();
  scaler.growth_tracker = place.at("_growth_tracker").integer();
  return scaler;
}

}  // namespace

std::optional<OfficialTrainingState> read_official_state(const WeightFile& file) {
  const bool has_state =
      file.torch() != nullptr && file.torch()->root().find("optimizer") != nullptr;
  if (!has_state) {
    return std::nullopt;
  }
  const Place root(*file.torch(), file.torch()->root());
  OfficialTrainingState state;
  read_optimizer(root.at("optimizer"), state);
  if (const auto epoch = root.find("epoch")) {
    state.epoch = epoch->integer();
  }
  if (const auto schedule = root.find("lr_scheduler")) {
    state.schedule = read_schedule(schedule->value());
  }
  if (const auto scaler = root.find("scaler")) {
    state.scaler = read_scaler(*scaler);
  }
  state.args = read_official_args(file);
  return state;
}

std::vector<std::pair<std::string, std::string>> read_official_args(const WeightFile& file) {
  std::vector<std::pair<std::string, std::string>> args;
  const PickleValue* value = file.torch() != nullptr ? file.torch()->root().find("args") : nullptr;
  if (value == nullptr) {
    return args;
  }
  const PickleValue* attributes = value->is(PickleKind::kDict) ? value : value->attributes();
  if (attributes == nullptr) {
    return args;
  }
  for (const auto& [key, entry] : attributes->pairs) {
    args.emplace_back(short_text(*key), short_text(*entry));
  }
  return args;
}

}  // namespace vim::weights
