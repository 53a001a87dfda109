// The model that a training run starts from.
#pragma once

#include "src/config/run_config.h"
#include "src/models/vision_mamba.h"

namespace vim::apps {

/// The configuration's model on the CPU, its weights drawn from train.seed.
models::VisionMamba initial_model(const config::RunConfig& config);

}  // namespace vim::apps
