// What must not change a bit of training on a GPU: doing it again, recording it as a graph,
// computing activations twice, and whatever else the GPU does meanwhile.
#include <ATen/ATen.h>

#include "src/cuda/device.h"
#include "tests/gpu/gpu.h"
#include "tests/gpu/step_run.h"
#include "tests/support/catch.h"

namespace vim::test {
namespace {

TEST_CASE("two equal runs on the GPU end with equal bits, another seed with others", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (StepRun run : make_all_runs()) {
    INFO(run.name);
    const StepRunEnd first = run_steps(run);
    check_same_bits(run_steps(run), first);
    run.options.train.seed += 1;
    CHECK_FALSE(at::equal(run_steps(run).at("gradients"), first.at("gradients")));
  }
}

TEST_CASE("steps replayed as a CUDA graph have the bits of steps launched one by one", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (StepRun run : make_all_runs()) {
    INFO(run.name);
    const StepRunEnd graph = run_steps(run);
    run.options.train.cuda_graph = false;
    const StepRunEnd eager = run_steps(run);
    CHECK(graph.graph_obstacle.empty());  // after seven steps: it was captured
    CHECK(eager.graph_obstacle == "train.cuda_graph is false");
    check_same_bits(graph, eager);
  }
}

TEST_CASE("recomputing layers changes no bit of training on the GPU", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (StepRun run : make_all_runs()) {
    using models::Recompute;
    for (const auto& [kept, recomputed] :
         {std::pair(Recompute::kNone, Recompute::kMixer),
          std::pair(Recompute::kCheap, Recompute::kBlock)}) {
      INFO(run.name << ", recompute " << static_cast<int>(recomputed));
      run.options.train.recompute = kept;
      const StepRunEnd expected = run_steps(run);
      run.options.train.recompute = recomputed;
      const StepRunEnd computed = run_steps(run);
      CHECK(computed.graph_obstacle.empty());
      check_same_bits(computed, expected);
    }
  }
}

TEST_CASE("work on other streams and delays change no bit of training on the GPU", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  OtherWork other;
  for (StepRun run : make_all_runs()) {
    const StepRunEnd alone = run_steps(run);
    for (const bool is_delayed : {false, true}) {
      INFO(run.name << (is_delayed ? ", delayed" : ", beside other work"));
      run.before_update = [&](int64_t step, train::TrainStep&) {
        other.launch_beside(static_cast<int>(3 + step % 4));
        if (is_delayed) {
          other.launch_before(static_cast<int>(step % 3));
        }
      };
      const StepRunEnd disturbed = run_steps(run);
      CHECK(disturbed.graph_obstacle.empty());
      check_same_bits(disturbed, alone);
    }
  }
  cuda::synchronize();
}

}  // namespace
}  // namespace vim::test
