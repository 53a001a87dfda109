// Everything is drawn from counters, so two calls give the same.
#include "tests/train/toy_run.h"

#include <ATen/ATen.h>

namespace vim::test {

std::string ToyImages::name(int64_t index) const { return "toy image " + std::to_string(index); }

data::StoredImage ToyImages::fetch(int64_t index, std::vector<uint8_t>& buffer) const {
  data::Image image{kToySize, kToySize, {}};
  core::Random random({0, core::RandomStream::kShapes, 0, 0, static_cast<uint64_t>(index)});
  for (int64_t value = 0; value < kToySize * kToySize * 3; ++value) {
    const int64_t bright = value % 3 == label(index) ? 120 : 0;
    image.pixels.push_back(static_cast<uint8_t>(bright + random.uniform_int(0, 120)));
  }
  return data::store_pixels(std::move(image), buffer);
}

ToyBatch::ToyBatch(int64_t first, int64_t size) {
  const ToyImages images(first + size);
  for (int64_t index = first; index < first + size; ++index) {
    const data::Image image = data::read_image(images, index);
    pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
    batch.labels.push_back(images.label(index));
    batch.indices.push_back(index);
  }
  batch.images = pixels.data();
  batch.size = size;
  batch.first_position = first;
}

models::VisionMambaOptions toy_model_options() {
  models::VisionMambaOptions options;
  options.img_size = {kToySize, kToySize};
  options.patch_size = 8;
  options.stride = 8;
  options.depth = 2;
  options.num_classes = kToyClasses;
  options.mixer.embed_dim = 8;
  options.mixer.d_state = 4;
  options.drop_path_rate = 0.3;
  options.drop_rate = 0.1;
  return options;
}

models::VisionMamba make_toy_model(uint64_t seed) {
  models::VisionMamba model(toy_model_options());
  at::Generator generator = at::detail::createCPUGenerator(seed);
  model->reset_parameters(generator);
  return model;
}

train::TrainStepOptions toy_step_options() {
  train::TrainStepOptions options;
  options.train.epochs = 3;
  options.train.global_batch = 8;
  options.train.micro_batch = 4;
  options.train.log_interval = 2;
  options.train.seed = 5;
  options.train.max_skipped_steps = 3;
  options.augment.erase_prob = 0.75;
  options.augment.erase_count = 2;
  options.augment.mix_group = 4;
  options.optim.lr = 2e-3;
  options.optim.scale_lr = false;
  options.optim.clip_norm = 1.0;
  options.ema.decay = 0.9;
  return options;
}

train::EvaluatorOptions toy_evaluator_options(int64_t batch) {
  train::EvaluatorOptions options;
  options.batch = batch;
  options.data.workers = 2;
  options.keep_logits = true;
  return options;
}

train::TrainerOptions toy_trainer_options(const std::filesystem::path& output) {
  train::TrainerOptions options;
  options.step = toy_step_options();
  options.schedule.warmup_epochs = 1;
  options.data.workers = 2;
  options.output = output;
  options.config_yaml = "train:\n  epochs: 3\n";
  options.should_stop = [] { return false; };
  return options;
}

}  // namespace vim::test
