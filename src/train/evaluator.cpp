// One pass of loader and model without gradients; sums are weighted by images.
#include "src/train/evaluator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>

#include "src/cuda/device.h"
#include "src/cuda/step_graph.h"
#include "src/cuda/uploader.h"
#include "src/data/loader.h"
#include "src/data/transform.h"
#include "src/models/vision_mamba.h"
#include "src/train/batch_input.h"
#include "src/train/losses.h"
#include "src/train/metrics.h"
#include "src/weights/safetensors.h"

namespace vim::train {
namespace {

struct Sums {
  RunningMean loss;
  int64_t top1 = 0;
  int64_t top5 = 0;
  int64_t count = 0;
};

// Puts a module into evaluation mode for a while.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& module)
      : module_(module), was_training_(module.is_training()) {
    module_.eval();
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;
  ~EvaluationMode() { module_.train(was_training_); }

 private:
  torch::nn::Module& module_;
  bool was_training_;
};

// Loss, hits at 1 and at 5 of one batch: three doubles on the logits' device.
at::Tensor batch_row(const at::Tensor& logits, const at::Tensor& labels) {
  return at::stack(
      {label_smoothing_cross_entropy(logits, labels, 0.0).to(at::kDouble),
       top_k_hits(logits, labels, 1).to(at::kDouble),
       top_k_hits(logits, labels, 5).to(at::kDouble)});
}

void add_batch(Sums& sums, const at::Tensor& row, int64_t size) {
  const auto* values = row.const_data_ptr<double>();
  sums.loss.add(values[0], static_cast<double>(size));
  sums.top1 += static_cast<int64_t>(values[1]);
  sums.top5 += static_cast<int64_t>(values[2]);
  sums.count += size;
}

// The rows of all batches are fetched at once: no batch waits for the device.
Sums sum_batches(const std::vector<at::Tensor>& rows, const std::vector<int64_t>& sizes) {
  Sums sums;
  if (rows.empty()) {
    return sums;
  }
  const at::Tensor table = at::stack(rows).to(at::kCPU);
  for (size_t i = 0; i < rows.size(); ++i) {
    add_batch(sums, table[static_cast<int64_t>(i)], sizes[i]);
  }
  return sums;
}

// The model over one batch after the other. On a GPU full batches come to fixed places, beside the
// computation, and the pass runs as a CUDA graph where nothing is drawn anew for each batch.
class Passes {
 public:
  struct Output {
    at::Tensor logits;
    at::Tensor row;  // of batch_row
  };

  Passes(models::VisionMamba& model, const EvaluatorOptions& options, const at::Device& device)
      : model_(model),
        options_(options),
        device_(device),
        input_(input_options(model->options(), options.augment, options.precision, device)),
        graph_([this] { output_ = compute(fixed_); }, obstacle()) {}

  Output run(const data::LoadedBatch& loaded) {
    PassInputs inputs = host_inputs(loaded);
    if (!device_.is_cuda() || loaded.size != options_.batch) {
      inputs.images = inputs.images.to(device_);
      inputs.labels = inputs.labels.to(device_);
      return compute(inputs);
    }
    if (!fixed_.images.defined()) {
      fixed_ = inputs.empty_on(device_);
    }
    uploader_.upload(inputs.tensors(), fixed_.tensors());
    fixed_.draws = inputs.draws;
    graph_.run();
    return {output_.logits.clone(), output_.row.clone()};  // the next replay overwrites them
  }

 private:
  PassInputs host_inputs(const data::LoadedBatch& loaded) const {
    const models::VisionMambaOptions& shape = model_->options();
    const models::DrawKey key{options_.seed, static_cast<uint64_t>(loaded.first_position), 0};
    PassInputs inputs;
    inputs.images = image_bytes(loaded, shape.img_size);
    inputs.labels = label_tensor(loaded);
    inputs.draws = models::draw_step(shape, key, loaded.size, /*is_training=*/false);
    return inputs;
  }

  Output compute(const PassInputs& inputs) {
    const at::Tensor images = input_images(inputs.images, {}, input_);
    const at::Tensor logits = model_->forward(images, inputs.draws);
    return {logits, batch_row(logits, inputs.labels)};
  }

  std::string obstacle() const {
    const models::VisionMambaOptions& shape = model_->options();
    if (!device_.is_cuda()) {
      return "there is no GPU";
    }
    return shape.token_flip_prob > 0 && shape.token_flip_in_eval ? "tokens are flipped by chance"
                                                                 : "";
  }

  models::VisionMamba& model_;
  const EvaluatorOptions& options_;
  at::Device device_;
  InputOptions input_;
  PassInputs fixed_;
  Output output_;
  cuda::Uploader uploader_;
  cuda::StepGraph graph_;
};

data::LoaderOptions loader_options(const EvaluatorOptions& options, const at::Device& device) {
  data::LoaderOptions loader;
  loader.batch_size = options.batch;
  loader.workers = options.data.workers;
  loader.prefetch_batches = options.data.prefetch_batches;
  loader.seed = options.seed;
  loader.on_bad_image = data::OnBadImage::kError;
  if (device.is_cuda()) {
    loader.allocate = cuda::allocate_pinned;
  }
  return loader;
}

EvalMetrics to_metrics(const Sums& sums) {
  const auto percent = [&sums](int64_t hits) {
    return 100.0 * static_cast<double>(hits) /
           static_cast<double>(std::max<int64_t>(sums.count, 1));
  };
  return {sums.loss.mean(), percent(sums.top1), percent(sums.top5)};
}

std::vector<int64_t> natural_order(int64_t size) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

std::optional<EvalResult> evaluate(
    models::VisionMamba& model,
    const data::Dataset& dataset,
    const EvaluatorOptions& options,
    const std::function<bool()>& should_stop) {
  const at::NoGradGuard no_grad;
  const EvaluationMode evaluation_mode(*model);
  const models::VisionMambaOptions& shape = model->options();
  const data::EvalTransform transform(options.augment, shape.img_size[0], shape.img_size[1]);
  const at::Device device = model->parameters().front().device();
  data::Loader loader(dataset, transform, loader_options(options, device));
  Passes passes(model, options, device);
  loader.start(natural_order(dataset.size()), /*epoch=*/0);
  const auto start = std::chrono::steady_clock::now();
  std::vector<at::Tensor> rows;
  std::vector<int64_t> sizes;
  EvalResult result;
  std::vector<at::Tensor> kept;
  while (const data::LoadedBatch* batch = loader.next()) {
    if (should_stop && should_stop()) {
      return std::nullopt;
    }
    const Passes::Output output = passes.run(*batch);
    rows.push_back(output.row);
    sizes.push_back(batch->size);
    if (options.keep_logits) {
      kept.push_back(output.logits.to(at::kCPU));
      result.labels.insert(result.labels.end(), batch->labels.begin(), batch->labels.end());
    }
  }
  const Sums sums = sum_batches(rows, sizes);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  result.metrics = to_metrics(sums);
  result.num_images = sums.count;
  result.images_per_second = static_cast<double>(sums.count) / elapsed.count();
  if (options.keep_logits) {
    result.logits = at::cat(kept);
  }
  return result;
}

void write_logits(
    const std::filesystem::path& path, const EvalResult& result, const data::Dataset& dataset) {
  nlohmann::json names = nlohmann::json::array();
  for (int64_t i = 0; i < dataset.size(); ++i) {
    names.push_back(dataset.name(i));
  }
  // File names need not be UTF-8.
  const std::string text = names.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const at::Tensor logits = result.logits.to(at::kCPU).contiguous();
  const std::vector<weights::TensorToWrite> tensors = {
      {"logits",
       weights::TensorType::kF32,
       logits.sizes().vec(),
       std::as_bytes(
           std::span(logits.const_data_ptr<float>(), static_cast<size_t>(logits.numel())))},
      {"labels",
       weights::TensorType::kI64,
       {static_cast<int64_t>(result.labels.size())},
       std::as_bytes(std::span(result.labels))}};
  weights::write_safetensors(path, tensors, {{"names", text}});
}

}  // namespace vim::train
