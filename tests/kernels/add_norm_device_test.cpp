// Add+norm's CUDA entries against the definition in double, on the GPU (VIM_TEST_CUDA) or emulated:
// the cases and limits of the CPU test.
#include <cmath>
#include <stdexcept>
#include <string>

#include "tests/emulation/emulation.h"
#include "tests/kernels/norm_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

// Runs both entries of a case; the results land in the run's host buffers. The residual and its
// gradient begin `skip` floats into theirs.
void run_on(const KernelDevice& device, NormRun& run, int64_t skip = 0) {
  DeviceArena arena(device);
  const auto array = [&](TokenArray& host) {
    return arena.upload(host.mutable_view().data, host.words().size() * sizeof(uint32_t));
  };
  kernels::AddNormParams forward = run.forward;
  forward.x = array(run.x);
  forward.residual = run.test.has_residual ? arena.upload(run.residual) + skip : nullptr;
  forward.weight = arena.upload(run.weight);
  forward.bias = run.test.has_bias ? arena.upload(run.bias) : nullptr;
  forward.sample_mask = arena.upload(run.mask);
  forward.out = array(run.out);
  forward.residual_out = arena.upload(run.v);
  kernels::AddNormBackwardParams backward;
  backward.forward = forward;
  backward.v = forward.residual_out;
  backward.dout = array(run.dout);
  backward.dresidual = arena.upload(run.dresidual) + skip;
  backward.dx = run.backward.dx == nullptr ? nullptr : array(run.dx);
  backward.dv = arena.upload(run.dv);
  backward.dweight = arena.upload(run.dweight);
  backward.dbias = run.backward.dbias == nullptr ? nullptr : arena.upload(run.dbias);
  backward.workspace =
      arena.workspace(device.entries.add_norm_backward_workspace_size(run.backward));
  device.entries.add_norm_forward(forward, nullptr);
  device.entries.add_norm_backward(backward, nullptr);
  device.entries.add_norm_backward_reduce(backward, nullptr);
  arena.download_all();
}

constexpr double kOutLimit =
    1e-5;  // the golden limits for float on a GPU; storage rounding comes on top
constexpr double kGradLimit = 3e-5;

void check_against_definition(const KernelDevice& device) {
  for (const NormCase& test : norm_cases()) {
    INFO(device.name << ": " << test.name);
    const NormInputs in = make_norm_inputs(test);
    NormRun run(test, in);
    run_on(device, run);
    const NormResults expected = norm_oracle(test, in, from_floats(run.v));
    CHECK(max_error(from_floats(run.v), expected.v) < kOutLimit);
    CHECK(max_error(run.out.get(), expected.out) < kOutLimit + rounding_error(test.out_dtype));
    CHECK(max_error(run.dx.get(), expected.dx) < kGradLimit + rounding_error(test.x_dtype));
    CHECK(max_error(from_floats(run.dv), expected.dv) < kGradLimit);
    CHECK(max_error(from_floats(run.dweight), expected.dweight) < kGradLimit);
    CHECK(max_error(from_floats(run.dbias), expected.dbias) < kGradLimit);
  }
}

void check_same_bits(const NormRun& first, const NormRun& second) {
  CHECK(first.out.words() == second.out.words());
  CHECK(first.dx.words() == second.dx.words());
  CHECK(first.dv == second.dv);
  CHECK(first.dweight == second.dweight);
  CHECK(first.dbias == second.dbias);
}

// Out once more from v alone, by another instance of the same entry: the same bits.
void check_out_again(const KernelDevice& device) {
  for (const NormCase& test : norm_cases()) {
    INFO(device.name << ": " << test.name);
    const NormInputs in = make_norm_inputs(test);
    NormRun first(test, in);
    run_on(device, first);
    TokenArray out(flat(test.size()), test.out_dtype);
    DeviceArena arena(device);
    kernels::AddNormParams again = out_again(first, out);
    again.x = arena.upload(first.v);
    again.weight = arena.upload(first.weight);
    again.bias = test.has_bias ? arena.upload(first.bias) : nullptr;
    again.out = arena.upload(out.mutable_view().data, out.words().size() * sizeof(uint32_t));
    device.entries.add_norm_forward(again, nullptr);
    arena.download_all();
    CHECK(out.words() == first.out.words());
  }
}

// Arrays off the 16-byte grid take the kernels for any row.
void check_unaligned(const KernelDevice& device) {
  const NormCase test{"unaligned", kernels::NormKind::kLayer, 40, 192, true, true};
  const NormInputs in = make_norm_inputs(test);
  NormRun run(test, in);
  run.residual.insert(run.residual.begin(), 0.0F);
  run.dresidual.insert(run.dresidual.begin(), 0.0F);
  run_on(device, run, 1);
  const NormResults expected = norm_oracle(test, in, from_floats(run.v));
  CHECK(max_error(run.out.get(), expected.out) < kOutLimit);
  CHECK(max_error(from_floats(run.dv), expected.dv) < kGradLimit);
  CHECK(max_error(from_floats(run.dweight), expected.dweight) < kGradLimit);
}

void check_only_what_is_wanted(const KernelDevice& device) {
  const NormCase test{"partial", kernels::NormKind::kLayer, 70, 192, true, true};
  const NormInputs in = make_norm_inputs(test);
  NormRun full(test, in);
  NormRun partial(test, in);
  run_on(device, full);
  partial.backward.dx = nullptr;
  partial.backward.dbias = nullptr;
  run_on(device, partial);
  CHECK(full.dv == partial.dv);
  CHECK(full.dweight == partial.dweight);
  CHECK(std::isnan(partial.dbias[0]));
}

#ifdef VIM_TEST_CUDA
TEST_CASE("add_norm on the GPU writes what is wanted, from any address", "[norm][gpu]") {
  if (const KernelDevice* device = cuda_device()) {
    check_out_again(*device);
    check_unaligned(*device);
    check_only_what_is_wanted(*device);
  }
}

TEST_CASE("add_norm on the GPU agrees with the definition in double", "[norm][gpu]") {
  if (const KernelDevice* device = cuda_device()) {
    check_against_definition(*device);
  }
}

TEST_CASE("add_norm on the GPU gives the same bits every time", "[norm][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const NormCase& test : norm_cases()) {
    INFO(test.name);
    const NormInputs in = make_norm_inputs(test);
    NormRun first(test, in);
    NormRun second(test, in);
    run_on(*device, first);
    run_on(*device, second);
    check_same_bits(first, second);
  }
}

TEST_CASE("a failed launch is reported with the kernel's name", "[norm]") {
  if (cuda_device() != nullptr) return;
  const NormCase test{"no_device", kernels::NormKind::kRms, 2, 4};
  NormRun run(test, make_norm_inputs(test));
  std::string message;
  try {
    kernels::cuda::entries().add_norm_forward(run.forward, nullptr);
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  CHECK(message.find("add_norm_forward_kernel") != std::string::npos);
}
#else
TEST_CASE("emulated add_norm writes what is wanted, from any address", "[norm][emulated]") {
  check_out_again(emulated_device());
  check_unaligned(emulated_device());
  check_only_what_is_wanted(emulated_device());
}

TEST_CASE("emulated add_norm agrees with the definition in double", "[norm][emulated]") {
  for (uint64_t seed : {1, 2, 3}) {
    emulation::set_seed(seed);
    check_against_definition(emulated_device());
  }
}

TEST_CASE("emulated add_norm gives the same bits in every order", "[norm][emulated]") {
  for (const NormCase& test : norm_cases()) {
    INFO(test.name);
    const NormInputs in = make_norm_inputs(test);
    NormRun first(test, in);
    emulation::set_seed(1);
    run_on(emulated_device(), first);
    for (uint64_t seed : {2, 3, 4}) {
      NormRun other(test, in);
      emulation::set_seed(seed);
      run_on(emulated_device(), other);
      check_same_bits(first, other);
    }
  }
}

TEST_CASE("add_norm refuses impossible sizes before any launch", "[norm][emulated]") {
  kernels::AddNormParams params;
  CHECK_THROWS_AS(
      emulated_device().entries.add_norm_forward(params, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
