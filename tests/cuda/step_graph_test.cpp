#include "src/cuda/step_graph.h"

#include <ATen/ATen.h>

#include "src/cuda/device.h"
#include "tests/support/catch.h"

namespace vim::cuda {
namespace {

at::TensorOptions device() {
  return at::TensorOptions().device(is_available() ? at::kCUDA : at::kCPU);
}

TEST_CASE("a step graph does its work once a run, captured or not") {
  const StreamScope stream;
  const at::Tensor input = at::ones({}, device());
  const at::Tensor total = at::zeros({}, device());
  StepGraph graph([&] { total.add_(input * 2); }, "");
  for (int i = 1; i <= 8; ++i) {
    input.fill_(i);
    graph.run();
  }
  CHECK(total.item<float>() == 72.0F);
  CHECK(graph.is_captured() == is_available());
  CHECK(graph.obstacle().empty() == is_available());
}

TEST_CASE("an obstacle keeps the work from being captured") {
  int runs = 0;
  StepGraph graph([&] { ++runs; }, "told not to");
  for (int i = 0; i < 8; ++i) {
    graph.run();
  }
  CHECK(runs == 8);
  CHECK_FALSE(graph.is_captured());
  CHECK(graph.obstacle() == "told not to");
}

TEST_CASE("work that waits for the device is not captured, and is done all the same") {
  if (!is_available()) {
    WARN("skipped: no CUDA device");
    return;
  }
  const StreamScope stream;
  const at::Tensor value = at::zeros({}, device());
  double seen = 0.0;
  StepGraph graph([&] { seen = value.add_(1).item<double>(); }, "");
  for (int i = 0; i < 8; ++i) {
    graph.run();
  }
  CHECK(seen == 8.0);
  CHECK_FALSE(graph.is_captured());
  CHECK_FALSE(graph.obstacle().empty());
  CHECK((at::ones({4}, device()) + 1).sum().item<double>() == 8.0);  // the device still works
}

TEST_CASE("a capture that fails gives its memory back") {
  if (!is_available()) {
    WARN("skipped: no CUDA device");
    return;
  }
  constexpr int64_t kFloats = int64_t{1} << 28;  // 1 GiB
  const StreamScope stream;
  StepGraph failing([] { at::zeros({kFloats}, device()).sum().item<double>(); }, "");
  const at::Tensor total = at::zeros({}, device());
  // Before its capture a graph hands all memory that is not in use back to the driver.
  const auto free_after_capture = [&total] {
    StepGraph fine([&total] { total.add_(1); }, "");
    for (int i = 0; i < 5; ++i) {
      fine.run();
    }
    REQUIRE(fine.is_captured());
    return memory().free;
  };
  const int64_t before = free_after_capture();
  for (int i = 0; i < 5; ++i) {
    failing.run();
  }
  REQUIRE_FALSE(failing.obstacle().empty());
  CHECK(free_after_capture() > before - kFloats);  // a quarter of what was held
  CHECK(total.item<double>() == 10.0);
}

}  // namespace
}  // namespace vim::cuda
