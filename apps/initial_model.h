// The models that a training run starts from.
#pragma once

#include <memory>

#include "src/config/run_config.h"
#include "src/models/vision_mamba.h"

namespace vim::apps {

/// The configuration's model on the CPU, its weights drawn from train.seed.
models::VisionMamba initial_model(const config::RunConfig& config);

/// Replaces the drawn weights by those of finetune.weights, if that is set, and logs what was not
/// taken over as it is. Throws vim::Error if they cannot be read or do not fit.
void start_from_weights(models::VisionMambaImpl& model, const config::RunConfig& config);

/// The teacher that distillation.teacher names, on the training device and in its precision; empty
/// without distillation. Throws vim::Error if its weights cannot be read, or its images or classes
/// are not the student's.
std::shared_ptr<models::VisionMambaImpl> load_teacher(const config::RunConfig& config);

}  // namespace vim::apps
