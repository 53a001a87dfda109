#include "apps/initial_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace vim::apps {

models::VisionMamba initial_model(const config::RunConfig& config) {
  models::VisionMamba model(config.model);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(config.train.seed);
  model->reset_parameters(generator);
  return model;
}

}  // namespace vim::apps
