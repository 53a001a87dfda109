// The convolution's forward with projections, on the GPU (VIM_TEST_CUDA) or emulated: out against
// the forward without, projected against the definition in double over the out that was stored.
#include <cmath>
#include <functional>
#include <stdexcept>

#include "tests/emulation/emulation.h"
#include "tests/kernels/conv_problem.h"
#include "tests/kernels/device_tokens.h"
#include "tests/kernels/narrow_products_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

using kernels::ConvParams;
using kernels::DType;

// Of the sum of the products' magnitudes. Products are exact in float; a sum is rounded, on a GPU
// possibly downwards, by at most 2^-23 for each of 8 slices of channels in a part and 3 parts.
constexpr double kFloatLimit = 1e-5;

// Runs the forward alone, with projections if the case's columns shall count.
void run_forward(const KernelDevice& device, ConvRun& run, bool projects) {
  DeviceArena arena(device);
  ConvParams params = run.forward;
  params.x.data = upload(arena, run.x);
  for (int i = 0; i < params.num_directions; ++i) {
    kernels::ConvDirection& direction = params.direction[i];
    direction.weight = arena.upload(run.weight[i]);
    direction.bias = arena.upload(run.bias[i]);
    direction.out.data = upload(arena, run.out[i], true);
    if (projects) {
      direction.projection = upload(arena, run.projection[i]);
      direction.projected = run.projected[i].mutable_view();
      direction.projected.data = upload(arena, run.projected[i], true);
    }
  }
  params.columns = projects ? run.test.columns : 0;
  REQUIRE(device.entries.causal_conv1d_forward_projects(params) == projects);
  device.entries.causal_conv1d_forward(params, nullptr);
  arena.download_all();
}

// projected of direction i from the out that the run stored.
NarrowExpected projection_oracle(const ConvRun& run, const ConvTensors& in, int i) {
  const int64_t channels = run.test.channels;
  const int64_t columns = run.test.columns;
  const Values out = run.out[i].get();
  NarrowExpected expected;
  expected.value.assign(run.test.projected_shape().size(), 0.0);
  expected.magnitude = expected.value;
  for (int64_t j = 0; j < std::ssize(expected.value); ++j) {
    const double* u = out.data() + j / columns * channels;
    const double* weight = in.projection[i].data() + j % columns * channels;
    for (int64_t c = 0; c < channels; ++c) {
      expected.value[j] += u[c] * weight[c];
      expected.magnitude[j] += std::abs(u[c] * weight[c]);
    }
  }
  return expected;
}

void check_case(const KernelDevice& device, const ConvCase& test) {
  INFO(device.name << ": " << test.name);
  const ConvTensors in = make_conv_inputs(test);
  ConvRun plain(test, in);
  ConvRun run(test, in);
  run_forward(device, plain, false);
  run_forward(device, run, true);
  for (int i = 0; i < test.num_directions(); ++i) {
    CHECK(run.out[i].words() == plain.out[i].words());
    const NarrowExpected expected = projection_oracle(run, in, i);
    const double storage = rounding_error(test.dtype);
    CHECK(narrow_error(run.projected[i].get(), expected, storage) < kFloatLimit);
    CHECK(run.projected[i].gaps_untouched());
  }
}

void check_all_cases(const KernelDevice& device) {
  for (const ConvCase& test : conv_projection_cases()) {
    check_case(device, test);
  }
}

void check_same_bits(const ConvRun& first, const ConvRun& second) {
  for (int i = 0; i < first.test.num_directions(); ++i) {
    CHECK(first.out[i].words() == second.out[i].words());
    CHECK(first.projected[i].words() == second.projected[i].words());
  }
}

// NaN in one channel of one token reaches the rows of the tokens that see it and no others.
void check_nan(const KernelDevice& device) {
  const ConvCase test{"nan", 2, 21, 384, 4, "fr", true, true, DType::kBFloat16, 0, 1.0, 0, 48};
  ConvTensors in = make_conv_inputs(test);
  in.x[9 * 384 + 200] = NAN;
  ConvRun run(test, in);
  run_forward(device, run, true);
  const auto is_reached = [](int64_t token, int direction) {
    return direction == 0 ? token >= 9 && token <= 12 : token >= 6 && token <= 9;
  };
  for (int i = 0; i < 2; ++i) {
    const Values projected = run.projected[i].get();
    int64_t num_wrong = 0;
    for (int64_t j = 0; j < std::ssize(projected); ++j) {
      num_wrong += std::isnan(projected[j]) != is_reached(j / 48, i) ? 1 : 0;
    }
    CHECK(num_wrong == 0);
  }
}

#ifdef VIM_TEST_CUDA
TEST_CASE("causal_conv1d on the GPU projects what it stores", "[conv][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  check_all_cases(*device);
  check_nan(*device);
  check_case(
      *device, {"batch", 128, 197, 384, 4, "fr", true, true, DType::kBFloat16, 384, 1.0, 0, 48});
}

TEST_CASE("causal_conv1d on the GPU projects to the same bits every time", "[conv][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const ConvCase& test : conv_projection_cases()) {
    INFO(test.name);
    const ConvTensors in = make_conv_inputs(test);
    ConvRun first(test, in);
    ConvRun second(test, in);
    run_forward(*device, first, true);
    run_forward(*device, second, true);
    check_same_bits(first, second);
  }
}
#else
TEST_CASE("emulated causal_conv1d projects what it stores", "[conv][emulated]") {
  check_all_cases(emulated_device());
  check_nan(emulated_device());
}

TEST_CASE("emulated causal_conv1d projects to the same bits in every order", "[conv][emulated]") {
  for (const ConvCase& test : conv_projection_cases()) {
    if (test.seqlen > 100) continue;
    INFO(test.name);
    const ConvTensors in = make_conv_inputs(test);
    ConvRun first(test, in);
    emulation::set_seed(1);
    run_forward(emulated_device(), first, true);
    for (uint64_t seed : {2, 3}) {
      ConvRun other(test, in);
      emulation::set_seed(seed);
      run_forward(emulated_device(), other, true);
      check_same_bits(first, other);
    }
  }
}

// Host memory aligned as the device's, so that a refusal has the cause that the test names.
struct RefusalCase {
  alignas(16) unsigned char memory[16] = {};
  ConvParams params;

  RefusalCase() {
    params.batch = 2;
    params.seqlen = 9;
    params.channels = 384;
    params.width = 4;
    params.dtype = DType::kBFloat16;
    params.x = {memory, 9 * 768, 768};
    params.columns = 48;
    params.num_directions = 2;
    for (kernels::ConvDirection& direction : params.direction) {
      direction.weight = reinterpret_cast<float*>(memory);
      direction.out = {memory, 9 * 384, 384};
      direction.projection = memory;
      direction.projected = {memory, 9 * 48, 48};
    }
  }
};

/// Whether the case still projects after `change`. If not, the forward must refuse it.
bool projects_after(const std::function<void(ConvParams&)>& change) {
  const auto& entries = emulated_device().entries;
  RefusalCase refusal;
  change(refusal.params);
  const bool projects = entries.causal_conv1d_forward_projects(refusal.params);
  if (!projects && refusal.params.columns != 0) {
    CHECK_THROWS_AS(entries.causal_conv1d_forward(refusal.params, nullptr), std::invalid_argument);
  }
  return projects;
}

TEST_CASE("causal_conv1d's forward says which projections it makes", "[conv][emulated]") {
  CHECK(projects_after([](ConvParams&) {}));
  CHECK(projects_after([](ConvParams& params) { params.dtype = DType::kFloat16; }));
  CHECK(projects_after([](ConvParams& params) { params.num_directions = 1; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.dtype = DType::kFloat32; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.columns = 0; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.columns = 40; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.channels = 256; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.width = 3; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.silu = false; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.x.token_stride = 770; }));
  CHECK_FALSE(
      projects_after([](ConvParams& params) { params.direction[1].out.token_stride = 386; }));
  CHECK_FALSE(projects_after([](ConvParams& params) { params.direction[1].projection = nullptr; }));
  CHECK_FALSE(projects_after([](ConvParams& params) {
    params.direction[1].projection = static_cast<const uint16_t*>(params.x.data) + 4;
  }));
  CHECK_FALSE(
      projects_after([](ConvParams& params) { params.direction[0].projected.data = nullptr; }));
  CHECK_FALSE(
      projects_after([](ConvParams& params) { params.direction[1].projected.token_stride = 50; }));
}
#endif

}  // namespace
}  // namespace vim::tests
