// The layout is decided once, in lay_out; everything else is views of it.
#include "src/optim/parameter_store.h"

#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <array>
#include <functional>
#include <sstream>
#include <unordered_set>

#include "src/core/error.h"

namespace vim::optim {
namespace {

constexpr int64_t kAlignment = 64;  // elements: 256 bytes of float

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

void check_options(const AdamWOptions& options) {
  // The padding holds zero moments: eps is all that keeps 0 / 0 out of it.
  if (!(options.eps > 0)) {
    throw Error("optim.eps: must be greater than 0; the official recipe has 1e-8");
  }
}

std::string describe_rule(const GroupRule& rule) {
  if (rule.is_frozen) {
    return "frozen";
  }
  std::ostringstream text;
  text << "weight decay " << rule.weight_decay;
  if (rule.lr_scale != 1.0) {
    text << ", learning rate x " << rule.lr_scale;
  }
  return text.str();
}

void check_parameter(
    const std::string& name, const at::Tensor& parameter, const at::Device& device) {
  TORCH_CHECK(
      parameter.scalar_type() == at::kFloat,
      "ParameterStore: ",
      name,
      " must be float, got ",
      parameter.scalar_type());
  TORCH_CHECK(
      parameter.device() == device,
      "ParameterStore: ",
      name,
      " must be on ",
      device,
      ", got ",
      parameter.device());
}

}  // namespace

int64_t ParameterGroup::num_elements() const {
  int64_t sum = 0;
  for (const StoredParameter& member : members) {
    sum += member.parameter.numel();
  }
  return sum;
}

ParameterStore::ParameterStore(torch::nn::Module& model, const AdamWOptions& options) {
  check_options(options);
  const at::NoGradGuard no_grad;
  collect_groups(model, options);
  lay_out();
  const at::TensorOptions buffer = groups_.front().members.front().parameter.options();
  value_ = at::zeros({length_}, buffer);
  grad_ = at::zeros({length_}, buffer);
  exp_avg_ = at::zeros({length_}, buffer);
  exp_avg_sq_ = at::zeros({length_}, buffer);
  step_count_ = at::zeros({}, buffer);
  install_views();
}

void ParameterStore::collect_groups(torch::nn::Module& model, const AdamWOptions& options) {
  const auto parameters = model.named_parameters(/*recurse=*/true);
  TORCH_CHECK(!parameters.is_empty(), "ParameterStore: the model has no parameters");
  check_group_options(parameters.keys(), options);
  const int64_t depth = count_layers(parameters.keys());
  std::unordered_set<const void*> seen;
  for (const auto& item : parameters) {
    check_parameter(item.key(), item.value(), parameters.begin()->value().device());
    TORCH_CHECK(
        seen.insert(item.value().unsafeGetTensorImpl()).second,
        "ParameterStore: ",
        item.key(),
        " is registered twice; shared parameters are not supported");
    const GroupRule rule = group_rule(item.key(), item.value().dim(), depth, options);
    auto group = std::find_if(groups_.begin(), groups_.end(), [&rule](const ParameterGroup& other) {
      return other.rule == rule;
    });
    if (group == groups_.end()) {
      group = groups_.insert(groups_.end(), {rule, 0, 0, {}});
    }
    group->members.push_back({item.key(), 0, item.value().sizes().vec(), item.value()});
  }
  std::stable_sort(groups_.begin(), groups_.end(), [](const auto& a, const auto& b) {
    return a.rule.weight_decay < b.rule.weight_decay;
  });
}

void ParameterStore::lay_out() {
  for (size_t index = 0; index < groups_.size(); ++index) {
    ParameterGroup& group = groups_[index];
    group.offset = length_;
    for (size_t member = 0; member < group.members.size(); ++member) {
      StoredParameter& stored = group.members[member];
      places_[stored.name] = {index, member};
      stored.offset = length_;
      length_ += round_up(stored.parameter.numel(), kAlignment);
    }
    length_ = round_up(length_, kStoreRow);
    group.length = length_ - group.offset;
  }
}

void ParameterStore::install_views() {
  for (const ParameterGroup& group : groups_) {
    for (const StoredParameter& member : group.members) {
      at::Tensor parameter = member.parameter;
      const at::Tensor place = view(StoreBuffer::kValue, member);
      place.copy_(parameter);
      parameter.set_data(place);
      if (group.rule.is_frozen) {
        parameter.set_requires_grad(false);
      } else {
        parameter.mutable_grad() = view(StoreBuffer::kGrad, member);
      }
    }
  }
}

void ParameterStore::enable_ema() { ema_ = value_.clone(); }

void ParameterStore::enable_shadow(at::ScalarType dtype) {
  TORCH_CHECK(
      dtype == at::kBFloat16 || dtype == at::kHalf,
      "ParameterStore: a shadow must be bfloat16 or half, got ",
      dtype);
  shadow_ = value_.to(dtype);
}

void ParameterStore::refresh_shadow() {
  if (shadow_.defined()) {
    shadow_.copy_(value_);
  }
}

void ParameterStore::enable_loss_scale(double initial) {
  loss_scale_ = at::full({}, initial, step_count_.options());
  scale_growth_ = at::zeros({}, step_count_.options().dtype(at::kInt));
}

void ParameterStore::update_loss_scale(const at::Tensor& found_inf) {
  constexpr double kGrowth = 2.0;
  constexpr double kBackoff = 0.5;
  constexpr int64_t kInterval = 2000;
  at::_amp_update_scale_(loss_scale_, scale_growth_, found_inf, kGrowth, kBackoff, kInterval);
}

void ParameterStore::zero_grad() { grad_.zero_(); }

bool ParameterStore::has(StoreBuffer buffer) const {
  return buffer == StoreBuffer::kEma      ? ema_.defined()
         : buffer == StoreBuffer::kShadow ? shadow_.defined()
                                          : true;
}

const at::Tensor& ParameterStore::flat(StoreBuffer buffer) const {
  TORCH_CHECK(has(buffer), "ParameterStore: this buffer was not enabled");
  const std::array<const at::Tensor*, 6> buffers = {
      &value_, &grad_, &exp_avg_, &exp_avg_sq_, &ema_, &shadow_};
  return *buffers[static_cast<size_t>(buffer)];
}

at::Tensor ParameterStore::view(StoreBuffer buffer, const StoredParameter& parameter) const {
  const int64_t numel = parameter.parameter.numel();
  return flat(buffer).narrow(0, parameter.offset, numel).view(parameter.shape);
}

at::Tensor ParameterStore::view(StoreBuffer buffer, const std::string& name) const {
  return view(buffer, find(name));
}

const StoredParameter& ParameterStore::find(const std::string& name) const {
  const auto place = places_.find(name);
  TORCH_CHECK(place != places_.end(), "ParameterStore: there is no parameter ", name);
  return groups_[place->second.group].members[place->second.member];
}

at::Tensor ParameterStore::shadow_of(const at::Tensor& parameter) const {
  if (!shadow_.defined() || !parameter.defined() || !parameter.is_alias_of(value_)) {
    return {};
  }
  return shadow_.narrow(0, parameter.storage_offset(), parameter.numel()).view(parameter.sizes());
}

int64_t ParameterStore::num_elements() const {
  int64_t sum = 0;
  for (const ParameterGroup& group : groups_) {
    sum += group.num_elements();
  }
  return sum;
}

int64_t ParameterStore::num_trainable() const {
  int64_t sum = 0;
  for (const ParameterGroup& group : groups_) {
    sum += group.rule.is_frozen ? 0 : group.num_elements();
  }
  return sum;
}

void ParameterStore::check_views() const {
  const float* values = value_.const_data_ptr<float>();
  const float* grads = grad_.const_data_ptr<float>();
  for (const ParameterGroup& group : groups_) {
    for (const StoredParameter& member : group.members) {
      const at::Tensor& parameter = member.parameter;
      const at::Tensor& grad = parameter.grad();
      const bool is_grad_in_place =
          group.rule.is_frozen ||
          (grad.defined() && grad.const_data_ptr() == grads + member.offset);
      const bool is_in_place =
          parameter.const_data_ptr() == values + member.offset && is_grad_in_place;
      TORCH_CHECK(
          is_in_place,
          "ParameterStore: ",
          member.name,
          " or its gradient left the store; do not call to() or zero_grad() on the model");
    }
  }
}

std::string ParameterStore::find_non_finite_gradient() const {
  for (const ParameterGroup& group : groups_) {
    for (const StoredParameter& member : group.members) {
      if (!at::isfinite(view(StoreBuffer::kGrad, member)).all().item<bool>()) {
        return member.name;
      }
    }
  }
  return {};
}

std::string ParameterStore::parameter_at(int64_t index) const {
  for (const ParameterGroup& group : groups_) {
    for (const StoredParameter& member : group.members) {
      if (index >= member.offset && index < member.offset + member.parameter.numel()) {
        return member.name;
      }
    }
  }
  return {};
}

std::string describe_groups(const ParameterStore& store) {
  std::ostringstream text;
  for (size_t index = 0; index < store.groups().size(); ++index) {
    const ParameterGroup& group = store.groups()[index];
    text << "group " << index << ": " << describe_rule(group.rule) << ", " << group.members.size()
         << " tensors, " << group.num_elements() << " elements\n";
    for (const StoredParameter& member : group.members) {
      text << "  " << member.name << ' ' << member.parameter.sizes() << '\n';
    }
  }
  return text.str();
}

}  // namespace vim::optim
