// Times come from the steady clock around whole passes. The limit is the rate of one large float
// matrix product, measured in the same run: a model that did nothing but its FLOPs at that rate
// would take flops / rate.
#include "apps/bench_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "apps/app_main.h"
#include "kernels/backend.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/models/model_summary.h"
#include "src/models/presets.h"
#include "src/models/vision_mamba.h"
#include "src/train/train_step.h"

namespace vim::apps {
namespace {

double fastest_seconds(int64_t repeats, const std::function<void()>& work) {
  double best = 1e300;
  for (int64_t i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::min(best, elapsed.count());
  }
  return best;
}

double matmul_flops_per_second() {
  constexpr int64_t kSide = 1024;
  constexpr int64_t kRepeats = 10;
  const at::Tensor a = at::rand({kSide, kSide});
  const double seconds = fastest_seconds(kRepeats, [&a] { at::mm(a, a); });
  return 2.0 * kSide * kSide * kSide / seconds;
}

double peak_memory_mib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

models::VisionMamba make_model(const BenchModelOptions& options) {
  models::VisionMamba model(models::preset_options(options.preset));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(0);
  model->reset_parameters(generator);
  if (options.precision == "bf16") {
    model->set_compute_dtype(at::kBFloat16);
  }
  return model;
}

double inference_seconds(const BenchModelOptions& options) {
  models::VisionMamba model = make_model(options);
  model->eval();
  const at::NoGradGuard no_grad;
  const auto& size = model->options().img_size;
  const at::Tensor images = at::rand({options.batch, 3, size[0], size[1]});
  model->forward(images);  // first touch of memory and threads
  return fastest_seconds(options.repeats, [&] { model->forward(images); });
}

double training_seconds(const BenchModelOptions& options) {
  train::TrainStepOptions step_options;
  step_options.train.global_batch = options.batch;
  step_options.train.precision =
      options.precision == "bf16" ? train::Precision::kBFloat16 : train::Precision::kFloat32;
  step_options.augment.mixup_alpha = 0.0;
  step_options.augment.cutmix_alpha = 0.0;
  models::VisionMamba model = make_model(options);
  const auto& size = model->options().img_size;
  const std::vector<uint8_t> pixels(
      static_cast<size_t>(options.batch * 3 * size[0] * size[1]), 127);
  data::LoadedBatch batch;
  batch.images = pixels.data();
  batch.size = options.batch;
  batch.labels.assign(static_cast<size_t>(options.batch), 0);
  batch.indices.assign(static_cast<size_t>(options.batch), 0);
  train::TrainStep step(model, step_options);
  int64_t number = 0;
  const auto one_step = [&] {
    step.begin(number++);
    step.forward_backward(batch);
    step.update(1e-6);
  };
  one_step();
  return fastest_seconds(options.repeats, one_step);
}

struct Measured {
  std::string name;
  double seconds = 0.0;
  double flops = 0.0;
};

nlohmann::ordered_json report(
    const BenchModelOptions& options, const Measured& measured, double flops_per_second) {
  const double limit = measured.flops / flops_per_second;
  fmt::print(
      "{:<10} {:>9.1f} ms  {:>8.2f} img/s  {:>6.1f} ms at the matrix-product rate  ratio {:.2f}\n",
      measured.name,
      measured.seconds * 1e3,
      static_cast<double>(options.batch) / measured.seconds,
      limit * 1e3,
      limit / measured.seconds);
  return {
      {"ms", measured.seconds * 1e3},
      {"img_s", static_cast<double>(options.batch) / measured.seconds},
      {"limit_ms", limit * 1e3},
      {"ratio", limit / measured.seconds}};
}

void configure(const BenchModelOptions& options) {
  if (options.threads > 0) {
    at::set_num_threads(static_cast<int>(options.threads));
  }
  if (!options.backend.empty() && !kernels::select_cpu_backend(options.backend)) {
    throw Error(fmt::format(
        "--backend {}: not on this machine; one of {}",
        options.backend,
        fmt::join(kernels::cpu_backends(), ", ")));
  }
}

}  // namespace

int bench_model(const BenchModelOptions& options) {
  configure(options);
  const auto summary = models::summarize(
      models::preset_options(options.preset), options.precision == "bf16" ? 2 : 4);
  const double flops_per_second = matmul_flops_per_second();
  fmt::print(
      "{} batch {} {} on {} threads, kernels {}, float matrix product {:.1f} GFLOP/s\n",
      options.preset,
      options.batch,
      options.precision,
      at::get_num_threads(),
      kernels::current_cpu_backend(),
      flops_per_second / 1e9);
  const double forward_flops = static_cast<double>(summary.forward_flops * options.batch);
  // A backward pass costs about twice the forward: two products for each one.
  const Measured inference{"inference", inference_seconds(options), forward_flops};
  const Measured training{"training", training_seconds(options), 3.0 * forward_flops};
  nlohmann::ordered_json json = {
      {"preset", options.preset},
      {"batch", options.batch},
      {"precision", options.precision},
      {"threads", at::get_num_threads()},
      {"backend", kernels::current_cpu_backend()},
      {"matmul_gflops", flops_per_second / 1e9}};
  json["inference"] = report(options, inference, flops_per_second);
  json["training"] = report(options, training, flops_per_second);
  json["peak_memory_mib"] = peak_memory_mib();
  fmt::print("peak memory {:.0f} MiB\n", peak_memory_mib());
  if (!options.json.empty()) {
    core::write_file_atomically(options.json, json.dump(2) + "\n");
  }
  return kExitDone;
}

}  // namespace vim::apps
