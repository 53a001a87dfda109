// One pass of loader and model without gradients; sums are weighted by images.
#include "src/train/evaluator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>

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

void add_batch(Sums& sums, const at::Tensor& logits, const at::Tensor& labels) {
  const int64_t size = labels.size(0);
  const at::Tensor loss = label_smoothing_cross_entropy(logits, labels, 0.0);
  sums.loss.add(loss.item<double>(), static_cast<double>(size));
  sums.top1 += count_top_k(logits, labels, 1);
  sums.top5 += count_top_k(logits, labels, 5);
  sums.count += size;
}

data::LoaderOptions loader_options(const EvaluatorOptions& options) {
  data::LoaderOptions loader;
  loader.batch_size = options.batch;
  loader.workers = options.data.workers;
  loader.prefetch_batches = options.data.prefetch_batches;
  loader.seed = options.seed;
  loader.on_bad_image = data::OnBadImage::kError;
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
  data::Loader loader(dataset, transform, loader_options(options));
  loader.start(natural_order(dataset.size()), /*epoch=*/0);
  const auto start = std::chrono::steady_clock::now();
  const InputOptions input{shape.img_size, options.augment, options.precision};
  Sums sums;
  EvalResult result;
  std::vector<at::Tensor> kept;
  while (const data::LoadedBatch* batch = loader.next()) {
    if (should_stop && should_stop()) {
      return std::nullopt;
    }
    const models::DrawKey key{options.seed, static_cast<uint64_t>(batch->first_position), 0};
    const models::StepDraws draws = draw_step(shape, key, batch->size, /*is_training=*/false);
    const at::Tensor logits = model->forward(input_images(*batch, {}, input), draws);
    add_batch(sums, logits, label_tensor(*batch));
    if (options.keep_logits) {
      kept.push_back(logits);
      result.labels.insert(result.labels.end(), batch->labels.begin(), batch->labels.end());
    }
  }
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
