// What a training checkpoint holds, and its way from the run to the file and back (design: one
// safetensors file with model.NAME, ema.NAME, optim.exp_avg.NAME, optim.exp_avg_sq.NAME).
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "src/optim/parameter_store.h"
#include "src/train/stored_tensors.h"
#include "src/train/train_state.h"
#include "src/weights/safetensors.h"

namespace torch::nn {
class Module;
}

namespace vim::train {

/// A run's tensors by checkpoint name: views of the store and of the model's buffers, so that
/// reading them saves and writing them restores. Also holds `optim.step`, the updates applied, and
/// the loss scaler's state where there is one.
NamedTensors checkpoint_tensors(torch::nn::Module& model, const optim::ParameterStore& store);

/// A copy on the host of everything that goes into a file: the run may go on while it is written.
struct CheckpointSnapshot {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;
};

/// Copies the run. config_yaml is the effective configuration.
CheckpointSnapshot take_snapshot(
    torch::nn::Module& model,
    const optim::ParameterStore& store,
    const TrainState& state,
    const std::string& config_yaml);

/// Writes atomically, with checksums. Throws vim::Error naming the path and the reason.
void write_snapshot(const std::filesystem::path& path, const CheckpointSnapshot& snapshot);

/// Puts a verified checkpoint's tensors into the run, bit for bit, and returns its state. Throws
/// vim::Error listing every missing, unexpected and misshapen tensor; nothing is changed then.
TrainState restore_checkpoint(
    const weights::SafetensorsFile& file, torch::nn::Module& model, optim::ParameterStore& store);

}  // namespace vim::train
