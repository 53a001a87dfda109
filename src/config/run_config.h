// Everything one run is made of, as read from YAML.
#pragma once

#include "src/data/data_options.h"
#include "src/models/vision_mamba_options.h"
#include "src/optim/optim_options.h"
#include "src/train/finetune_options.h"
#include "src/train/loss_options.h"
#include "src/train/train_options.h"

namespace vim::config {

struct RunConfig {
  models::VisionMambaOptions model;
  data::DataOptions data;
  data::AugmentOptions augment;
  train::FinetuneOptions finetune;
  train::LossOptions loss;
  optim::AdamWOptions optim;
  optim::ScheduleOptions schedule;
  train::TrainOptions train;
  optim::EmaOptions ema;
  train::CheckpointOptions checkpoint;
};

}  // namespace vim::config
