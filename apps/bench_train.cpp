// Three measurements with one pipeline: its loader alone, its step alone on images that stay where
// they are, and both together as the trainer runs them.
#include "apps/bench_train.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/app_main.h"
#include "apps/bench_memory.h"
#include "apps/initial_model.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/cuda/device.h"
#include "src/data/training_set.h"
#include "src/train/compute_device.h"
#include "src/train/step_pipeline.h"

namespace vim::apps {
namespace {

using train::StepPipeline;

// Seconds of options.steps calls, after those that warm up.
double measure(const BenchTrainOptions& options, const std::function<void()>& work) {
  for (int64_t i = 0; i < options.warmup; ++i) {
    work();
  }
  cuda::synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < options.steps; ++i) {
    work();
  }
  cuda::synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A walk through the epochs, one step after the other.
class Walk {
 public:
  explicit Walk(StepPipeline& pipeline)
      : pipeline_(pipeline), step_in_epoch_(pipeline.steps_per_epoch()) {}

  void load() {
    enter_step();
    for (int64_t micro = 0; micro < pipeline_.num_micro_batches(); ++micro) {
      pipeline_.load();
    }
  }

  // Fetches results as often as a run logs.
  void train(const train::TrainOptions& options) {
    enter_step();
    pipeline_.run_step(step_ % (options.epochs * pipeline_.steps_per_epoch()));
    ++step_;
    if (step_ % options.log_interval == 0 || pipeline_.step().must_take_results()) {
      pipeline_.step().take_results();
    }
  }

 private:
  void enter_step() {
    if (step_in_epoch_ == pipeline_.steps_per_epoch()) {
      ++epoch_;
      step_in_epoch_ = 0;
      pipeline_.start_epoch(epoch_, 0);
    }
    ++step_in_epoch_;
  }

  StepPipeline& pipeline_;
  int64_t epoch_ = -1;
  int64_t step_in_epoch_;
  int64_t step_ = 0;
};

// A micro-batch that outlives the loader's.
struct HeldBatch {
  std::shared_ptr<uint8_t[]> pixels;
  data::LoadedBatch batch;
};

// The micro-batches of one step. Nothing is loaded any more afterwards.
std::vector<HeldBatch> hold_step(StepPipeline& pipeline) {
  const auto& size = pipeline.step().model_options().img_size;
  std::vector<HeldBatch> held;
  pipeline.start_epoch(0, 0);
  for (int64_t micro = 0; micro < pipeline.num_micro_batches(); ++micro) {
    const data::LoadedBatch& loaded = pipeline.load();
    const auto num_bytes = static_cast<size_t>(loaded.size * size[0] * size[1] * 3);
    held.push_back({cuda::allocate_pinned(num_bytes), loaded});
    std::copy_n(loaded.images, num_bytes, held.back().pixels.get());
    held.back().batch.images = held.back().pixels.get();
  }
  pipeline.start_epoch(0, pipeline.steps_per_epoch());
  return held;
}

double measure_step_alone(const BenchTrainOptions& options, StepPipeline& pipeline) {
  const std::vector<HeldBatch> held = hold_step(pipeline);
  train::TrainStep& step = pipeline.step();
  int64_t number = 0;
  return measure(options, [&] {
    step.begin(number);
    if (step.device().is_cuda() && number > 0) {
      step.repeat_inputs();
    } else {
      for (const HeldBatch& one : held) {
        step.forward_backward(one.batch);
      }
    }
    step.update(pipeline.learning_rate(0));
    ++number;
    if (step.must_take_results()) {
      step.take_results();
    }
  });
}

struct Figures {
  double loop = 0.0;  // images a second
  double step = 0.0;
  double loader = 0.0;
  double data_wait_share = 0.0;  // of the loop's time
  double peak_memory_mib = 0.0;

  double limit() const { return std::min(step, loader); }
};

Figures measure_all(
    const BenchTrainOptions& options, const train::TrainOptions& train, StepPipeline& pipeline) {
  const auto images = static_cast<double>(options.steps * train.global_batch);
  Figures figures;
  Walk loading(pipeline);
  figures.loader = images / measure(options, [&] { loading.load(); });
  figures.step = images / measure_step_alone(options, pipeline);
  pipeline.step().take_results();
  cuda::reset_peak_memory();
  Walk training(pipeline);
  double wait_at_start = 0.0;
  int64_t steps = 0;
  const double seconds = measure(options, [&] {
    if (steps++ == options.warmup) {
      wait_at_start = pipeline.loader_stats().wait_seconds;
    }
    training.train(train);
  });
  figures.loop = images / seconds;
  figures.data_wait_share = (pipeline.loader_stats().wait_seconds - wait_at_start) / seconds;
  figures.peak_memory_mib = peak_memory_mib(pipeline.step().device());
  return figures;
}

void print(const Figures& figures) {
  fmt::print("{:<13} {:>10.1f} img/s  a fixed batch on the device\n", "step alone", figures.step);
  fmt::print("{:<13} {:>10.1f} img/s  nothing else running\n", "loader alone", figures.loader);
  fmt::print(
      "{:<13} {:>10.1f} img/s  {:.2f} of the lower limit, data wait {:.0f} %, {:.0f} MiB\n",
      "whole loop",
      figures.loop,
      figures.loop / figures.limit(),
      100.0 * figures.data_wait_share,
      figures.peak_memory_mib);
}

nlohmann::ordered_json to_json(const Figures& figures) {
  return {
      {"loop_img_s", figures.loop},
      {"step_img_s", figures.step},
      {"loader_img_s", figures.loader},
      {"limit_img_s", figures.limit()},
      {"ratio", figures.loop / figures.limit()},
      {"data_wait_share", figures.data_wait_share},
      {"peak_memory_mib", figures.peak_memory_mib}};
}

}  // namespace

CLI::App* add_bench_train(CLI::App& app, BenchTrainOptions& options) {
  CLI::App* train = app.add_subcommand("train", "The training loop on a run's own data");
  train->add_option("--config", options.config, "YAML file of the run")->required();
  train->add_option("--set", options.overrides, "key=value, over the file; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  train->add_option("--steps", options.steps, "Steps to measure")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  train->add_option("--warmup", options.warmup, "Steps before them")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  train->add_option("--json", options.json, "Write the figures to this file");
  return train;
}

int bench_train(const BenchTrainOptions& options) {
  config::RunConfig config = config::load_config(options.config, options.overrides);
  const auto images = data::open_training_set(config.data);
  config::fill_num_classes(config, images->num_classes());
  const auto device = train::compute_device(config.train.device, "train.device");
  const cuda::StreamScope stream;
  models::VisionMamba model = initial_model(config);
  model->to(device);
  const train::TrainStepOptions step{
      config.train, config.optim, config.ema, config.augment, config.loss};
  StepPipeline pipeline(model, *images, {step, config.schedule, config.data});
  const int64_t micro_batch = pipeline.choose_micro_batch(0);
  const std::string where =
      device.is_cuda() ? cuda::device_name() : fmt::format("{} threads", at::get_num_threads());
  fmt::print(
      "{} on {}: {} steps of {} images, micro-batch {}\n",
      options.config,
      where,
      options.steps,
      config.train.global_batch,
      micro_batch);
  const Figures figures = measure_all(options, config.train, pipeline);
  print(figures);
  if (!options.json.empty()) {
    nlohmann::ordered_json json = {
        {"config", options.config},
        {"device", where},
        {"steps", options.steps},
        {"global_batch", config.train.global_batch},
        {"micro_batch", micro_batch}};
    json.update(to_json(figures));
    core::write_file_atomically(options.json, json.dump(2) + "\n");
  }
  return kExitDone;
}

}  // namespace vim::apps
