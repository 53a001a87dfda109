// Evaluation on a GPU as vim_eval does it, in every precision, against the CPU.
#include "src/train/evaluator.h"

#include <ATen/ATen.h>

#include "src/cuda/device.h"
#include "src/train/checkpoint.h"
#include "src/train/compute_device.h"
#include "src/train/weight_import.h"
#include "tests/gpu/gpu.h"
#include "tests/gpu/step_run.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/temp_folder.h"
#include "tests/train/toy_run.h"

namespace vim::test {
namespace {

using train::EvalResult;
using train::Precision;

constexpr int64_t kImages = 51;  // six batches of eight, of which a graph serves some, and a rest

// Trains the toy on the CPU until its answers are clear, so that rounding turns none of them, and
// writes a checkpoint.
void write_trained_checkpoint(const std::filesystem::path& path) {
  StepRun run = make_small_run();
  run.device = c10::Device(c10::DeviceType::CPU);
  run.options.augment.mix_prob = 0.0;
  run.lr = 1e-2;
  const auto step = make_step(run);
  for (int64_t number = 0; number < 40; ++number) {
    do_step(run, *step, number);
  }
  train::write_snapshot(path, train::take_snapshot(*step->model(), step->store(), {}, ""));
}

EvalResult evaluate_on(
    const std::filesystem::path& path, const at::Device& device, Precision precision) {
  models::VisionMamba model(toy_model_options());
  train::import_weights(*model, weights::WeightFile::open(path), "model", {});
  train::place_for_inference(*model, device, precision);
  train::EvaluatorOptions options;
  options.batch = 8;
  options.precision = precision;
  options.data.workers = 2;
  options.keep_logits = true;
  return *train::evaluate(model, ToyImages(kImages), options, [] { return false; });
}

TEST_CASE("evaluation on the GPU counts what the CPU counts, in every precision", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  const TempFolder temp;
  const auto path = temp / "step_00000040.safetensors";
  write_trained_checkpoint(path);
  const EvalResult expected = evaluate_on(path, at::kCPU, Precision::kFloat32);
  REQUIRE(expected.metrics.acc1 > 90.0);
  for (const Precision precision : kPrecisions) {
    INFO(name_of(precision));
    const EvalResult actual = evaluate_on(path, kGpu, precision);
    CHECK(actual.num_images == kImages);
    CHECK(actual.metrics.acc1 == expected.metrics.acc1);
    CHECK(actual.labels == expected.labels);
    check_as_near(actual.logits, evaluate_on(path, at::kCPU, precision).logits, expected.logits);
    const at::Tensor loss = at::cross_entropy_loss(actual.logits, at::tensor(actual.labels));
    CHECK(actual.metrics.loss == Approx(loss.item<double>()).epsilon(1e-5));
    CHECK(at::equal(evaluate_on(path, kGpu, precision).logits, actual.logits));
  }
}

}  // namespace
}  // namespace vim::test
