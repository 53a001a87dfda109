// One list of named tensors serves both directions, so what is saved and what is restored cannot
// drift apart.
#include "src/train/checkpoint.h"

#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include "src/core/error.h"
#include "src/weights/checkpoint_file.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;

constexpr const char* kStateKey = "state";
constexpr const char* kConfigKey = "config";

void add_parameters(
    NamedTensors& tensors,
    const std::string& prefix,
    const optim::ParameterStore& store,
    StoreBuffer buffer) {
  for (const optim::ParameterGroup& group : store.groups()) {
    for (const optim::StoredParameter& member : group.members) {
      tensors.emplace_back(prefix + member.name, store.view(buffer, member));
    }
  }
}

void add_buffers(NamedTensors& tensors, const std::string& prefix, torch::nn::Module& model) {
  for (const auto& item : model.named_buffers(/*recurse=*/true)) {
    tensors.emplace_back(prefix + item.key(), item.value());
  }
}

}  // namespace

NamedTensors checkpoint_tensors(torch::nn::Module& model, const optim::ParameterStore& store) {
  NamedTensors tensors;
  add_parameters(tensors, "model.", store, StoreBuffer::kValue);
  add_buffers(tensors, "model.", model);
  if (store.has(StoreBuffer::kEma)) {
    add_parameters(tensors, "ema.", store, StoreBuffer::kEma);
    add_buffers(tensors, "ema.", model);
  }
  add_parameters(tensors, "optim.exp_avg.", store, StoreBuffer::kExpAvg);
  add_parameters(tensors, "optim.exp_avg_sq.", store, StoreBuffer::kExpAvgSq);
  tensors.emplace_back("optim.step", store.step_count());
  if (store.loss_scale().defined()) {
    tensors.emplace_back("optim.loss_scale", store.loss_scale());
    tensors.emplace_back("optim.scale_growth", store.scale_growth());
  }
  return tensors;
}

CheckpointSnapshot take_snapshot(
    torch::nn::Module& model,
    const optim::ParameterStore& store,
    const TrainState& state,
    const std::string& config_yaml) {
  const at::NoGradGuard no_grad;
  CheckpointSnapshot snapshot;
  for (const auto& [name, tensor] : checkpoint_tensors(model, store)) {
    const at::TensorOptions host = tensor.options().device(at::kCPU);
    snapshot.tensors.emplace_back(name, at::empty(tensor.sizes(), host).copy_(tensor));
  }
  snapshot.metadata = {{kStateKey, to_json(state)}, {kConfigKey, config_yaml}};
  return snapshot;
}

void write_snapshot(const std::filesystem::path& path, const CheckpointSnapshot& snapshot) {
  std::vector<weights::TensorToWrite> tensors;
  for (const auto& [name, tensor] : snapshot.tensors) {
    const auto* bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
    tensors.push_back(
        {name,
         stored_type(tensor.scalar_type()),
         tensor.sizes().vec(),
         std::span(bytes, tensor.nbytes())});
  }
  weights::write_checkpoint(path, tensors, snapshot.metadata);
}

TrainState restore_checkpoint(
    const weights::SafetensorsFile& file, torch::nn::Module& model, optim::ParameterStore& store) {
  const at::NoGradGuard no_grad;
  const auto state_text = file.metadata().find(kStateKey);
  if (state_text == file.metadata().end()) {
    throw Error(file.name() + ": holds no training state; resume from a file that vim_train wrote");
  }
  TrainState state = train_state_from_json(state_text->second, file.name());
  copy_stored(file, checkpoint_tensors(model, store), /*prefix=*/"");
  store.refresh_shadow();
  return state;
}

}  // namespace vim::train
