// The way of an op to the device's kernels, taken with the emulated ones on tensors of the host.
#include "src/ops/device_call.h"

#include <ATen/ATen.h>

#include "src/ops/add_norm.h"
#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"
#include "tests/support/emulated_ops.h"

namespace vim::ops {
namespace {

constexpr double kFloat = 2e-6;  // both round sums of 37 products to 6e-8 each

std::vector<at::Tensor> norm_and_gradients() {
  const AddNormInputs inputs{
      leaf(random_tensor({2, 3, 37}, 1)),
      leaf(random_tensor({2, 3, 37}, 2)),
      leaf(random_tensor({37}, 3)),
      {},
      at::ones({2})};
  AddNormOptions options;
  options.keep = 0.5;
  const AddNormResult result = add_norm(inputs, options);
  ((result.out + result.residual) * random_tensor({2, 3, 37}, 4)).sum().backward();
  return {
      result.out, result.residual, inputs.x.grad(), inputs.residual.grad(), inputs.weight.grad()};
}

TEST_CASE("a tensor on the CPU calls no device entries unless they are put in its way") {
  const at::Tensor tensor = at::zeros({1});
  CHECK_FALSE(DeviceCall(tensor).is_on_device());
  const test::EmulatedOps emulated;
  CHECK(DeviceCall(tensor).is_on_device());
}

TEST_CASE("an op gives the same numbers through the emulated kernels, forward and backward") {
  const auto expected = norm_and_gradients();
  const test::EmulatedOps emulated;
  const auto actual = norm_and_gradients();
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(actual[i], expected[i]) < kFloat);
  }
}

TEST_CASE("an entry that is not built is an error, not silence") {
  static const kernels::DeviceEntries empty;
  override_device_entries(&empty);
  const std::string text = error_text([] { norm_and_gradients(); });
  override_device_entries(nullptr);
  CHECK(contains(text, "this kernel has no device version"));
}

}  // namespace
}  // namespace vim::ops
