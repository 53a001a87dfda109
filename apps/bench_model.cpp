// Times come from the steady clock around whole passes. The limit is the rate of one large float
// matrix product, measured in the same run: a model that did nothing but its FLOPs at that rate
// would take flops / rate.
#include "apps/bench_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/app_main.h"
#include "apps/bench_memory.h"
#include "kernels/backend.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/cuda/step_graph.h"
#include "src/models/model_summary.h"
#include "src/models/presets.h"
#include "src/models/vision_mamba.h"
#include "src/train/batch_input.h"
#include "src/train/compute_device.h"
#include "src/train/train_step.h"

namespace vim::apps {
namespace {

// Passes timed together on a GPU, which runs behind the host.
constexpr int64_t kPassesPerRepeat = 10;

// Seconds of one pass: the fastest of `repeats` groups of passes.
double fastest_seconds(
    int64_t repeats, const at::Device& device, const std::function<void()>& work) {
  const int64_t passes = device.is_cuda() ? kPassesPerRepeat : 1;
  double best = 1e300;
  for (int64_t i = 0; i < repeats; ++i) {
    cuda::synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int64_t pass = 0; pass < passes; ++pass) {
      work();
    }
    cuda::synchronize();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::min(best, elapsed.count() / static_cast<double>(passes));
  }
  return best;
}

// Of a large product in the precision of the run, or in float on the CPU.
double matmul_flops_per_second(const at::Device& device, train::Precision precision) {
  const int64_t side = device.is_cuda() ? 8192 : 1024;
  const at::ScalarType dtype = device.is_cuda() ? train::compute_dtype(precision) : at::kFloat;
  constexpr int64_t kRepeats = 10;
  const at::Tensor a = at::rand({side, side}).to(device, dtype);
  at::mm(a, a);
  const double seconds = fastest_seconds(kRepeats, device, [&a] { at::mm(a, a); });
  return 2.0 * std::pow(static_cast<double>(side), 3) / seconds;
}

train::Precision precision_of(const std::string& name) {
  return name == "bf16"   ? train::Precision::kBFloat16
         : name == "fp16" ? train::Precision::kFloat16
                          : train::Precision::kFloat32;
}

models::Recompute recompute_of(const std::string& name) {
  static const std::map<std::string, models::Recompute> kByName = {
      {"none", models::Recompute::kNone},
      {"cheap", models::Recompute::kCheap},
      {"mixer", models::Recompute::kMixer},
      {"block", models::Recompute::kBlock}};
  return kByName.at(name);
}

models::VisionMambaOptions model_options(const BenchModelOptions& options) {
  models::VisionMambaOptions model = models::preset_options(options.preset);
  if (options.img_size > 0) {
    model.img_size = {options.img_size, options.img_size};
  }
  return model;
}

models::VisionMamba make_model(const BenchModelOptions& options) {
  models::VisionMamba model(model_options(options));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(0);
  model->reset_parameters(generator);
  return model;
}

struct Measured {
  std::string name;
  double seconds = 0.0;
  double flops = 0.0;
  double memory_mib = 0.0;
};

constexpr int kWarmups = 5;  // enough for a graph to be captured

Measured measure(
    const BenchModelOptions& options, const at::Device& device, const std::function<void()>& work) {
  cuda::reset_peak_memory();
  for (int i = 0; i < (device.is_cuda() ? kWarmups : 1); ++i) {
    work();
  }
  Measured measured;
  measured.seconds = fastest_seconds(options.repeats, device, work);
  measured.memory_mib = peak_memory_mib(device);
  return measured;
}

Measured measure_inference(
    const BenchModelOptions& options, const at::Device& device, const std::string& obstacle) {
  models::VisionMamba model = make_model(options);
  train::place_for_inference(*model, device, precision_of(options.precision));
  model->eval();
  const at::NoGradGuard no_grad;
  const auto& size = model->options().img_size;
  const at::Tensor images = at::rand({options.batch, 3, size[0], size[1]}).to(device);
  at::Tensor logits;
  cuda::StepGraph graph([&] { logits = model->forward(images); }, obstacle);
  return measure(options, device, [&graph] { graph.run(); });
}

Measured measure_training(
    const BenchModelOptions& options, const at::Device& device, const std::string& obstacle) {
  train::TrainStepOptions step_options;
  step_options.train.global_batch = options.batch;
  step_options.train.precision = precision_of(options.precision);
  step_options.train.tf32 = options.tf32;
  step_options.train.cuda_graph = obstacle.empty();
  step_options.train.recompute = recompute_of(options.recompute);
  step_options.augment.erase_prob = 0.0;
  step_options.augment.mixup_alpha = 0.0;
  step_options.augment.cutmix_alpha = 0.0;
  models::VisionMamba model = make_model(options);
  model->to(device);
  const auto& size = model->options().img_size;
  const auto num_bytes = static_cast<size_t>(options.batch * 3 * size[0] * size[1]);
  const auto pixels = cuda::allocate_pinned(num_bytes);
  std::fill_n(pixels.get(), num_bytes, uint8_t{127});
  data::LoadedBatch batch;
  batch.images = pixels.get();
  batch.size = options.batch;
  batch.labels.assign(static_cast<size_t>(options.batch), 0);
  batch.indices.assign(static_cast<size_t>(options.batch), 0);
  train::TrainStep step(model, step_options);
  int64_t number = 0;
  return measure(options, device, [&] {
    step.begin(number++);
    step.forward_backward(batch);
    step.update(1e-6);
    if (step.must_take_results()) {
      step.take_results();
    }
  });
}

nlohmann::ordered_json report(
    const BenchModelOptions& options, const Measured& measured, double flops_per_second) {
  const double limit = measured.flops / flops_per_second;
  fmt::print(
      "{:<18} {:>9.2f} ms  {:>9.2f} img/s  {:>7.2f} ms at the matrix-product rate  ratio {:.2f}  "
      "{:.0f} MiB\n",
      measured.name,
      measured.seconds * 1e3,
      static_cast<double>(options.batch) / measured.seconds,
      limit * 1e3,
      limit / measured.seconds,
      measured.memory_mib);
  return {
      {"ms", measured.seconds * 1e3},
      {"img_s", static_cast<double>(options.batch) / measured.seconds},
      {"limit_ms", limit * 1e3},
      {"ratio", limit / measured.seconds},
      {"peak_memory_mib", measured.memory_mib}};
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
  const auto device =
      train::compute_device(train::device_choice(options.device, "--device"), "--device");
  const cuda::StreamScope stream;
  cuda::allow_tf32(options.tf32);
  const auto summary =
      models::summarize(model_options(options), options.precision == "fp32" ? 4 : 2);
  const double flops_per_second = matmul_flops_per_second(device, precision_of(options.precision));
  const std::string where =
      device.is_cuda() ? cuda::device_name() : fmt::format("{} threads", at::get_num_threads());
  fmt::print(
      "{} batch {} {} on {}, kernels {}, matrix product {:.1f} GFLOP/s\n",
      options.preset,
      options.batch,
      options.precision,
      where,
      device.is_cuda() ? "cuda" : kernels::current_cpu_backend(),
      flops_per_second / 1e9);
  nlohmann::ordered_json json = {
      {"preset", options.preset},
      {"batch", options.batch},
      {"img_size", model_options(options).img_size[0]},
      {"precision", options.precision},
      {"device", where},
      {"threads", at::get_num_threads()},
      {"backend", device.is_cuda() ? "cuda" : kernels::current_cpu_backend()},
      {"matmul_gflops", flops_per_second / 1e9}};
  const double forward_flops = static_cast<double>(summary.forward_flops * options.batch);
  const auto add = [&](const std::string& name, double flops, Measured measured) {
    measured.name = name;
    measured.flops = flops;
    json[name] = report(options, measured, flops_per_second);
  };
  // A backward pass costs about twice the forward: two products for each one.
  add("inference", forward_flops, measure_inference(options, device, "not asked for"));
  if (!options.inference_only) {
    add("training", 3.0 * forward_flops, measure_training(options, device, "not asked for"));
  }
  if (device.is_cuda()) {
    add("inference_graph", forward_flops, measure_inference(options, device, ""));
    if (!options.inference_only) {
      add("training_graph", 3.0 * forward_flops, measure_training(options, device, ""));
    }
  }
  json["peak_memory_mib"] = peak_memory_mib(device);
  if (!options.json.empty()) {
    core::write_file_atomically(options.json, json.dump(2) + "\n");
  }
  return kExitDone;
}

}  // namespace vim::apps
