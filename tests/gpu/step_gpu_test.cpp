// Training steps on a GPU against the CPU's, and steps that are skipped.
#include <ATen/ATen.h>

#include <cmath>

#include "src/cuda/device.h"
#include "tests/gpu/gpu.h"
#include "tests/gpu/step_run.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"

namespace vim::test {
namespace {

using optim::StoreBuffer;
using train::Precision;

// With a rate of 0 the weights stay, so that the last step's gradients can be compared whatever
// came before.
StepRun without_learning(StepRun run) {
  run.lr = 0.0;
  run.options.optim.clip_norm.reset();  // the CPU's update leaves the gradients divided by it
  run.options.train.global_batch = 16;
  run.options.train.micro_batch = 8;
  return run;
}

// The same as one pass over the whole batch on the CPU.
StepRun on_cpu(StepRun run) {
  run.device = c10::Device(c10::DeviceType::CPU);
  run.options.train.micro_batch = run.options.train.global_batch;
  return run;
}

TEST_CASE("gradients added up over micro-batches in a graph are the CPU's whole batch's", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (const StepRun& base : {make_small_run(), make_wide_run()}) {
    StepRun run = without_learning(base);
    INFO(run.name);
    const StepRunEnd expected = run_steps(on_cpu(run));
    const StepRunEnd graph = run_steps(run);
    run.options.train.cuda_graph = false;
    check_same_bits(graph, run_steps(run));
    CHECK(graph.graph_obstacle.empty());
    // Sums in another order, at 6e-8 each, through layers whose gradients cancel.
    CHECK(relative_error(graph.at("gradients"), expected.at("gradients")) < 1e-4);
    for (size_t i = 0; i < expected.results.size(); ++i) {
      INFO("step " << i);
      CHECK(graph.results[i].loss == Approx(expected.results[i].loss).epsilon(1e-5));
      CHECK(graph.results[i].grad_norm == Approx(expected.results[i].grad_norm).epsilon(1e-4));
    }
  }
}

TEST_CASE("steps in 16 bits on the GPU stay near the CPU's in float", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (const StepRun& base : {make_small_run(), make_wide_run()}) {
    StepRun run = without_learning(base);
    const StepRunEnd expected = run_steps(on_cpu(run));
    for (const Precision precision : {Precision::kBFloat16, Precision::kFloat16}) {
      INFO(run.name << " in " << name_of(precision));
      run.options.train.precision = precision;
      const StepRunEnd actual = run_steps(run);
      // A mean of many rounded values is off by less than one rounding; the norm of gradients that
      // were rounded on their way through all layers by less than five.
      const double rounding = precision == Precision::kBFloat16 ? 0x1p-9 : 0x1p-12;
      for (size_t i = 0; i < expected.results.size(); ++i) {
        CHECK(actual.results[i].non_finite.empty());
        CHECK(actual.results[i].loss == Approx(expected.results[i].loss).epsilon(rounding));
        const double norm = expected.results[i].grad_norm;
        CHECK(actual.results[i].grad_norm == Approx(norm).epsilon(5 * rounding));
      }
      CHECK(actual.results[0].loss != expected.results[0].loss);
    }
  }
}

// Five steps, a scale so high that the sixth overflows, and two steps with a usual one. Returns
// what the run leaves.
StepRunEnd run_into_overflow(const StepRun& run) {
  const auto step = make_step(run);
  for (int64_t number = 0; number < 5; ++number) {
    do_step(run, *step, number);
  }
  const train::NamedTensors before = copy_tensors(*step);
  step->store().loss_scale().fill_(1e30);
  do_step(run, *step, 5);
  CHECK_FALSE(step->take_results().back().non_finite.empty());
  const train::NamedTensors after = copy_tensors(*step);
  for (size_t i = 0; i < before.size(); ++i) {
    const auto& [name, tensor] = before[i];
    INFO(name);
    const bool is_left = name != "gradients" && name.find("scale") == std::string::npos;
    CHECK(at::equal(after[i].second, tensor) == is_left);
  }
  CHECK(step->store().loss_scale().item<float>() == 1e30F / 2);
  CHECK(step->store().scale_growth().item<int>() == 0);
  step->store().loss_scale().fill_(1024.0);
  do_step(run, *step, 6);
  do_step(run, *step, 7);
  CHECK(step->store().step_count().item<double>() == 7.0);
  CHECK(step->store().scale_growth().item<int>() == 2);
  return {copy_tensors(*step), step->take_results(), step->graph_obstacle()};
}

TEST_CASE("an overflow in float16 on the GPU skips the step and halves the scale", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (StepRun run : {make_small_run(), make_wide_run()}) {
    INFO(run.name);
    run.options.train.precision = Precision::kFloat16;
    const StepRunEnd graph = run_into_overflow(run);
    CHECK(graph.graph_obstacle.empty());
    run.options.train.cuda_graph = false;
    check_same_bits(graph, run_into_overflow(run));
  }
}

TEST_CASE("a weight that is not finite skips steps on the GPU and spoils nothing else", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (const StepRun& run : make_all_runs()) {
    INFO(run.name);
    const auto step = make_step(run);
    for (int64_t number = 0; number < 5; ++number) {
      do_step(run, *step, number);
    }
    step->take_results();
    const at::Tensor ema = step->store().flat(StoreBuffer::kEma).clone();
    const at::Tensor exp_avg = step->store().flat(StoreBuffer::kExpAvg).clone();
    step->store().view(StoreBuffer::kValue, "head.bias")[1] = NAN;
    do_step(run, *step, 5);
    do_step(run, *step, 6);
    const auto results = step->take_results();
    REQUIRE(results.size() == 2);
    CHECK(results[0].non_finite == "loss");
    CHECK(results[1].non_finite == "loss");
    CHECK(at::equal(step->store().flat(StoreBuffer::kEma), ema));
    CHECK(at::equal(step->store().flat(StoreBuffer::kExpAvg), exp_avg));
    CHECK(step->store().step_count().item<double>() == 5.0);
  }
}

}  // namespace
}  // namespace vim::test
