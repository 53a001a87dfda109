// The convolution's CUDA entries against the definition in double, on the GPU (VIM_TEST_CUDA) or
// emulated: the cases of the CPU test.
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <stdexcept>

#include "tests/emulation/emulation.h"
#include "tests/kernels/conv_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

// Token arrays in device memory, each `shift` bytes past an aligned address, so that with a shift
// no vector access is possible.
class ShiftedArrays {
 public:
  ShiftedArrays(DeviceArena& arena, size_t shift) : arena_(arena), shift_(shift) {}

  void* upload(TokenArray& host) {
    const size_t bytes = host.words().size() * sizeof(uint32_t);
    copies_.push_back({host.mutable_view().data, std::vector<unsigned char>(shift_ + bytes)});
    std::vector<unsigned char>& copy = copies_.back().bytes;
    std::memcpy(copy.data() + shift_, host.words().data(), bytes);
    return arena_.upload(copy.data(), copy.size()) + shift_;
  }

  void download() {
    arena_.download_all();
    for (const Copy& copy : copies_) {
      std::memcpy(copy.host, copy.bytes.data() + shift_, copy.bytes.size() - shift_);
    }
  }

 private:
  struct Copy {
    void* host;
    std::vector<unsigned char> bytes;
  };

  DeviceArena& arena_;
  size_t shift_;
  std::deque<Copy> copies_;  // their addresses stay
};

// Runs both entries of a case; the results land in the run's host buffers.
void run_on(const KernelDevice& device, ConvRun& run, size_t shift = 0) {
  DeviceArena arena(device);
  ShiftedArrays arrays(arena, shift);
  kernels::ConvParams forward = run.forward;
  kernels::ConvBackwardParams backward = run.backward;
  forward.x.data = arrays.upload(run.x);
  backward.dx.data = arrays.upload(run.dx);
  for (int i = 0; i < run.test.num_directions(); ++i) {
    forward.direction[i].weight = arena.upload(run.weight[i]);
    forward.direction[i].bias = arena.upload(run.bias[i]);
    forward.direction[i].out.data = arrays.upload(run.out[i]);
    backward.dout[i].data = arrays.upload(run.dout[i]);
    if (run.test.depth > 0) {
      backward.left[i].data = arrays.upload(run.left[i]);
      backward.right[i] = arrays.upload(run.right[i]);
    }
    backward.dweight[i] = arena.upload(run.dweight[i]);
    backward.dbias[i] = arena.upload(run.dbias[i]);
  }
  backward.forward = forward;
  backward.workspace =
      arena.workspace(device.entries.causal_conv1d_backward_workspace_size(backward));
  device.entries.causal_conv1d_forward(forward, nullptr);
  for (int i = 0; i < run.test.num_directions(); ++i) {
    backward.forward.direction[i].out.data = nullptr;  // the backward does not read it
  }
  device.entries.causal_conv1d_backward(backward, nullptr);
  device.entries.causal_conv1d_backward_reduce(backward, nullptr);
  arrays.download();
}

constexpr double kOutLimit =
    1e-5;  // the golden limits for float on a GPU; storage rounding comes on top
constexpr double kGradLimit = 3e-5;

void check_case(const KernelDevice& device, const ConvCase& test, size_t shift = 0) {
  INFO(device.name << ": " << test.name << ", shifted by " << shift << " bytes");
  const ConvTensors in = make_conv_inputs(test);
  const ConvTensors expected = conv_oracle_gradients(test, in);
  ConvRun run(test, in);
  run_on(device, run, shift);
  const double storage = rounding_error(test.dtype);
  CHECK(max_error(run.dx.get(), expected.x) < kGradLimit + storage);
  CHECK(run.dx.gaps_untouched());
  for (int i = 0; i < test.num_directions(); ++i) {
    CHECK(max_error(run.out[i].get(), conv_oracle(test, in, i)) < kOutLimit + storage);
    CHECK(run.out[i].gaps_untouched());
    CHECK(max_error(from_floats(run.dweight[i]), expected.weight[i]) < kGradLimit);
    CHECK(max_error(from_floats(run.dbias[i]), expected.bias[i]) < kGradLimit);
  }
}

void check_all_cases(const KernelDevice& device) {
  for (const ConvCase& test : conv_device_cases()) {
    check_case(device, test);
  }
}

void check_product_cases(const KernelDevice& device) {
  for (const ConvCase& test : conv_product_cases()) {
    check_case(device, test);
  }
}

std::vector<ConvCase> all_device_cases() {
  std::vector<ConvCase> cases = conv_device_cases();
  cases.insert(cases.end(), conv_product_cases().begin(), conv_product_cases().end());
  return cases;
}

// One element past an aligned address only single channels can be read.
void check_unaligned_cases(const KernelDevice& device) {
  for (const ConvCase& test : conv_device_cases()) {
    if (test.channels % 4 == 0) {
      check_case(device, test, test.dtype == kernels::DType::kFloat32 ? 4 : 2);
    }
  }
}

void check_same_bits(const ConvRun& first, const ConvRun& second) {
  CHECK(first.dx.words() == second.dx.words());
  for (int i = 0; i < first.test.num_directions(); ++i) {
    CHECK(first.out[i].words() == second.out[i].words());
    CHECK(first.dweight[i] == second.dweight[i]);
    CHECK(first.dbias[i] == second.dbias[i]);
  }
}

// NaN in one channel of one token reaches what depends on it and nothing else.
void check_nan(const KernelDevice& device) {
  const ConvCase test{"nan", 1, 9, 20, 4, "fr"};
  ConvTensors in = make_conv_inputs(test);
  in.x[4 * 20 + 3] = NAN;
  ConvRun run(test, in);
  run_on(device, run);
  CHECK(std::isnan(run.out[0].get()[7 * 20 + 3]));
  CHECK(!std::isnan(run.out[0].get()[8 * 20 + 3]));
  CHECK(!std::isnan(run.out[0].get()[7 * 20 + 2]));
  CHECK(std::isnan(run.out[1].get()[1 * 20 + 3]));
  CHECK(!std::isnan(run.out[1].get()[0 * 20 + 3]));
  CHECK(std::isnan(run.dweight[1][3 * 4]));
  CHECK(!std::isnan(run.dweight[1][2 * 4]));
}

#ifdef VIM_TEST_CUDA
TEST_CASE("causal_conv1d on the GPU agrees with the definition in double", "[conv][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  check_all_cases(*device);
  check_unaligned_cases(*device);
  check_product_cases(*device);
  check_nan(*device);
}

TEST_CASE("causal_conv1d on the GPU holds at a whole batch of Vim-tiny", "[conv][gpu]") {
  if (const KernelDevice* device = cuda_device()) {
    const auto dtype = kernels::DType::kBFloat16;
    check_case(*device, {"vim_tiny_batch", 128, 197, 384, 4, "fr", true, true, dtype, 384});
  }
}

TEST_CASE("causal_conv1d on the GPU gives the same bits every time", "[conv][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const ConvCase& test : all_device_cases()) {
    INFO(test.name);
    const ConvTensors in = make_conv_inputs(test);
    ConvRun first(test, in);
    ConvRun second(test, in);
    run_on(*device, first);
    run_on(*device, second);
    check_same_bits(first, second);
  }
}
#else
TEST_CASE("emulated causal_conv1d agrees with the definition in double", "[conv][emulated]") {
  check_all_cases(emulated_device());
  check_unaligned_cases(emulated_device());
  check_product_cases(emulated_device());
  check_nan(emulated_device());
}

TEST_CASE("emulated causal_conv1d gives the same bits in every order", "[conv][emulated]") {
  for (const ConvCase& test : all_device_cases()) {
    INFO(test.name);
    const ConvTensors in = make_conv_inputs(test);
    ConvRun first(test, in);
    emulation::set_seed(1);
    run_on(emulated_device(), first);
    for (uint64_t seed : {2, 3}) {
      ConvRun other(test, in);
      emulation::set_seed(seed);
      run_on(emulated_device(), other);
      check_same_bits(first, other);
    }
  }
}

TEST_CASE("emulated causal_conv1d leaves out weight gradients not asked for", "[conv][emulated]") {
  const ConvCase test{"no_weight_grads", 2, 21, 8, 4, "fr"};
  const ConvTensors in = make_conv_inputs(test);
  ConvRun run(test, in);
  run.backward.dbias[0] = nullptr;
  run.backward.dweight[1] = nullptr;
  DeviceArena arena(emulated_device());
  const auto& entries = emulated_device().entries;
  run.backward.workspace =
      arena.workspace(entries.causal_conv1d_backward_workspace_size(run.backward));
  entries.causal_conv1d_backward(run.backward, nullptr);
  entries.causal_conv1d_backward_reduce(run.backward, nullptr);
  const ConvTensors expected = conv_oracle_gradients(test, in);
  CHECK(max_error(from_floats(run.dweight[0]), expected.weight[0]) < kGradLimit);
  CHECK(max_error(from_floats(run.dbias[1]), expected.bias[1]) < kGradLimit);
  CHECK(std::isnan(run.dbias[0][0]));
  CHECK(std::isnan(run.dweight[1][0]));
}

TEST_CASE("causal_conv1d's backward says which products it takes", "[conv][emulated]") {
  const auto& entries = emulated_device().entries;
  ConvCase test{"product", 2, 9, 64, 4, "fr", true, true, kernels::DType::kBFloat16, 0, 1.0, 16};
  const auto multiplies = [&](const std::function<void(ConvRun&)>& change) {
    ConvRun run(test, make_conv_inputs(test));
    change(run);
    return entries.causal_conv1d_backward_multiplies(run.backward);
  };
  CHECK(multiplies([](ConvRun&) {}));
  CHECK(!multiplies([](ConvRun& run) { run.backward.depth = 0; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.depth = 12; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.depth = 72; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.forward.channels = 96; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.forward.width = 3; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.forward.dtype = kernels::DType::kFloat32; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.left[1].data = nullptr; }));
  CHECK(!multiplies([](ConvRun& run) { run.backward.left[0].token_stride = 20; }));
  CHECK(!multiplies([](ConvRun& run) {
    run.backward.right[1] = static_cast<const uint16_t*>(run.backward.right[1]) + 4;
  }));
  ConvRun refused(test, make_conv_inputs(test));
  refused.backward.depth = 12;
  CHECK_THROWS_AS(entries.causal_conv1d_backward(refused.backward, nullptr), std::invalid_argument);
}

TEST_CASE("causal_conv1d's CUDA entries refuse impossible parameters", "[conv][emulated]") {
  const auto& entries = emulated_device().entries;
  const ConvCase test{"refused", 1, 4, 4};
  ConvRun run(test, make_conv_inputs(test));
  run.backward.workspace = nullptr;
  CHECK_THROWS_AS(entries.causal_conv1d_backward(run.backward, nullptr), std::invalid_argument);
  run.forward.width = 9;
  CHECK_THROWS_AS(entries.causal_conv1d_forward(run.forward, nullptr), std::invalid_argument);
  run.forward.width = 4;
  run.forward.x.data = nullptr;
  CHECK_THROWS_AS(entries.causal_conv1d_forward(run.forward, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
