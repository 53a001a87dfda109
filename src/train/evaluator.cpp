// Sums over the batches, weighted by images.
#include "src/train/evaluator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>

#include "src/data/loader.h"
#include "src/train/evaluation_passes.h"
#include "src/train/metrics.h"
#include "src/weights/safetensors.h"

namespace vim::train {
namespace {

struct Sums {
  bool is_loss_unweighted = false;
  RunningMean loss;
  int64_t top1 = 0;
  int64_t top5 = 0;
  int64_t count = 0;
};

void add_batch(Sums& sums, const at::Tensor& row, int64_t size) {
  const auto* values = row.const_data_ptr<double>();
  sums.loss.add(values[0], sums.is_loss_unweighted ? 1.0 : static_cast<double>(size));
  sums.top1 += static_cast<int64_t>(values[1]);
  sums.top5 += static_cast<int64_t>(values[2]);
  sums.count += size;
}

// The rows of all batches are fetched at once: no batch waits for the device.
Sums sum_batches(
    const std::vector<at::Tensor>& rows, const std::vector<int64_t>& sizes, bool is_unweighted) {
  Sums sums;
  sums.is_loss_unweighted = is_unweighted;
  if (rows.empty()) {
    return sums;
  }
  const at::Tensor table = at::stack(rows).to(at::kCPU);
  for (size_t i = 0; i < rows.size(); ++i) {
    add_batch(sums, table[static_cast<int64_t>(i)], sizes[i]);
  }
  return sums;
}

EvalMetrics to_metrics(const Sums& sums) {
  const auto percent = [&sums](int64_t hits) {
    return 100.0 * static_cast<double>(hits) /
           static_cast<double>(std::max<int64_t>(sums.count, 1));
  };
  return {sums.loss.mean(), percent(sums.top1), percent(sums.top5)};
}

}  // namespace

std::optional<EvalResult> evaluate(
    models::VisionMamba& model,
    const data::Dataset& dataset,
    const EvaluatorOptions& options,
    const std::function<bool()>& should_stop) {
  EvaluationPasses passes(model, dataset, options);
  const auto start = std::chrono::steady_clock::now();
  std::vector<at::Tensor> rows;
  std::vector<int64_t> sizes;
  EvalResult result;
  std::vector<at::Tensor> kept;
  std::vector<at::Tensor> top;
  while (const data::LoadedBatch* batch = passes.load()) {
    if (should_stop && should_stop()) {
      return std::nullopt;
    }
    const BatchOutput output = passes.run(*batch);
    rows.push_back(output.row);
    sizes.push_back(batch->size);
    if (options.keep_top) {
      top.push_back(output.top);
    }
    if (options.keep_logits) {
      kept.push_back(output.logits.to(at::kCPU));
      result.labels.insert(result.labels.end(), batch->labels.begin(), batch->labels.end());
    }
  }
  const Sums sums = sum_batches(rows, sizes, options.unweighted_loss);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  result.metrics = to_metrics(sums);
  result.num_images = sums.count;
  result.images_per_second = static_cast<double>(sums.count) / elapsed.count();
  if (options.keep_logits) {
    result.logits = at::cat(kept);
  }
  if (options.keep_top) {
    result.top = at::cat(top).to(at::kCPU);
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
