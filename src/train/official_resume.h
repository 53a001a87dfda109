// Going on with a run of the official program: its checkpoint's weights, average, moments and epoch
// in a run of ours (vim_spec 8).
#pragma once

#include <cstdint>
#include <filesystem>

#include "src/models/vision_mamba.h"
#include "src/optim/optim_options.h"
#include "src/optim/parameter_store.h"
#include "src/train/train_options.h"
#include "src/weights/weight_file.h"

namespace vim::train {

/// What the official run and ours must agree on.
struct OfficialRecipe {
  optim::AdamWOptions optim;
  optim::ScheduleOptions schedule;
  int64_t epochs = 0;
  int64_t global_batch = 0;
};

/// Where the official run stood.
struct OfficialProgress {
  int64_t epochs_done = 0;
  double updates = 0.0;  // of the optimizer
};

/// Whether the file is one of torch.save, judged by its content. Throws vim::Error if it cannot be
/// read.
bool is_torch_file(const std::filesystem::path& path);

/// Puts an official training checkpoint into the run: model, average (if the run keeps one),
/// AdamW's moments and step count, and the loss scale where both have one (a scaler that one of
/// them lacks starts anew). Throws vim::Error if the file holds no training state, its weights do
/// not fit the model, its average is missing, or its recipe differs from ours: then with a line for
/// each key to set. The run cannot go on after an error.
OfficialProgress restore_official(
    const weights::WeightFile& file,
    models::VisionMambaImpl& model,
    optim::ParameterStore& store,
    const OfficialRecipe& recipe);

}  // namespace vim::train
