// The token sequence's CUDA entries against the CPU entries, bit for bit, on the GPU
// (VIM_TEST_CUDA) or emulated.
#include <stdexcept>
#include <utility>

#include "tests/emulation/emulation.h"
#include "tests/kernels/device_tokens.h"
#include "tests/kernels/token_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

// Runs both entries; what they write comes back into the run's buffers. shift: values by which the
// position embedding and dout start off the grid of vector accesses.
void run_on(const KernelDevice& device, TokenRun& run, size_t shift) {
  DeviceArena arena(device);
  const auto shifted = [&](const std::vector<float>& values) {
    std::vector<float> moved(values.empty() ? 0 : shift, 0.0F);
    moved.insert(moved.end(), values.begin(), values.end());
    const float* start = arena.upload(std::as_const(moved));  // const: nothing comes back
    return start == nullptr ? start : start + shift;
  };
  kernels::TokenSequenceParams params = run.params;
  params.patches = upload(arena, run.patches);
  params.pos_embed = shifted(run.pos_embed);
  for (size_t i = 0; i < run.cls_tokens.size(); ++i) {
    params.cls_tokens[i] = arena.upload(run.cls_tokens[i]);
  }
  params.out = arena.upload(run.out);
  device.entries.token_sequence(params, nullptr);
  kernels::TokenSequenceBackwardParams backward = run.backward;
  backward.dout = shifted(run.dout);
  backward.dpatches = upload(arena, run.dpatches, /*comes_back=*/true);
  device.entries.token_sequence_backward(backward, nullptr);
  arena.download_all();
}

void check_against_cpu(const KernelDevice& device) {
  for (const TokenCase& test : token_cases()) {
    INFO(device.name << ": " << test.name);
    TokenRun expected(test);
    kernels::token_sequence(expected.params, {0, test.batch});
    kernels::token_sequence_backward(expected.backward, {0, test.batch});
    for (const size_t shift : {0, 1}) {
      TokenRun run(test);
      run_on(device, run, shift);
      CHECK(run.out == expected.out);
      CHECK(run.dpatches.words() == expected.dpatches.words());
    }
  }
}

#ifdef VIM_TEST_CUDA
TEST_CASE("token_sequence on the GPU equals the CPU's, bit for bit", "[tokens]") {
  if (const KernelDevice* device = cuda_device()) {
    check_against_cpu(*device);
  }
}
#else
TEST_CASE("emulated token_sequence equals the CPU's, bit for bit", "[tokens][emulated]") {
  emulation::set_seed(1);
  check_against_cpu(emulated_device());
}

TEST_CASE("token_sequence refuses impossible sizes before any launch", "[tokens][emulated]") {
  const KernelDevice& device = emulated_device();
  CHECK_THROWS_AS(device.entries.token_sequence({}, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(device.entries.token_sequence_backward({}, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
