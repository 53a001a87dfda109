// The update rule itself is compared with PyTorch's in the golden runner (adamw).
#include "src/optim/adamw.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/optim/clip.h"
#include "tests/optim/test_module.h"
#include "tests/support/catch.h"
#include "tests/support/emulated_ops.h"

namespace vim::optim {
namespace {

constexpr double kFloat = 1e-6;  // a few roundings to 6e-8 in each of three steps

// A store with two groups, average and shadow after four clipped steps, the second one skipped
// and the last one with the rate as a tensor.
std::vector<at::Tensor> buffers_after_steps() {
  const at::Tensor start = at::linspace(-1, 1, 77 * 5).view({77, 5});
  test::NamedParameters module({{"w", start}, {"b", at::linspace(1, 2, 5)}});
  ParameterStore store(module, {});
  store.enable_ema();
  store.enable_shadow(at::kBFloat16);
  const LearningRate rates[] = {0.1, 0.1, 0.05, at::full({}, 0.02F)};
  for (int step = 0; step < 4; ++step) {
    store.view(StoreBuffer::kGrad, "w").copy_((start * (step + 3)).sin());
    store.view(StoreBuffer::kGrad, "b").fill_(step == 1 ? NAN : 0.25);
    UpdateControl control = control_update(gradient_norm(store), 1.0);
    control.ema_decay = 0.5;
    adamw_step(store, {}, rates[step], control);
  }
  std::vector<at::Tensor> buffers = {store.step_count()};
  for (const StoreBuffer buffer :
       {StoreBuffer::kValue,
        StoreBuffer::kExpAvg,
        StoreBuffer::kExpAvgSq,
        StoreBuffer::kEma,
        StoreBuffer::kShadow}) {
    buffers.push_back(store.flat(buffer).to(at::kDouble));
  }
  return buffers;
}

}  // namespace

TEST_CASE("the device's kernel makes the steps that LibTorch's update makes on the CPU") {
  const auto expected = buffers_after_steps();
  const test::EmulatedOps emulated;
  const auto actual = buffers_after_steps();
  CHECK(expected[0].item<double>() == 3.0);
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    const double limit = i + 1 == expected.size() ? 1.0 / 256 : kFloat;  // the shadow: one rounding
    const double largest = expected[i].abs().max().item<double>();
    CHECK((actual[i] - expected[i]).abs().max().item<double>() < limit * largest);
  }
  const at::Tensor rounded = actual[1].to(at::kFloat).to(at::kBFloat16).to(at::kDouble);
  CHECK(at::equal(actual.back(), rounded));
}

TEST_CASE("a step with a decay advances the average as update_ema does") {
  test::NamedParameters module({{"w", at::ones({3, 5})}});
  ParameterStore store(module, {});
  store.enable_ema();
  const at::Tensor expected = store.flat(StoreBuffer::kEma).clone();
  store.view(StoreBuffer::kGrad, "w").fill_(1.0);
  UpdateControl control;
  control.ema_decay = 0.75;
  adamw_step(store, {}, 0.25, control);
  expected.lerp_(store.flat(StoreBuffer::kValue), 0.25);
  CHECK(at::equal(store.flat(StoreBuffer::kEma), expected));
}

TEST_CASE("a non-finite gradient leaves values, moments and step count as they were") {
  test::NamedParameters module({{"w", at::ones({3, 5})}, {"b", at::ones({5})}});
  ParameterStore store(module, {});
  store.flat(StoreBuffer::kGrad).fill_(0.25);
  adamw_step(store, {}, 0.1, control_update(gradient_norm(store), 1.0));
  const at::Tensor values = store.flat(StoreBuffer::kValue).clone();
  const at::Tensor exp_avg = store.flat(StoreBuffer::kExpAvg).clone();
  for (const double bad : {NAN, INFINITY, -INFINITY}) {
    store.view(StoreBuffer::kGrad, "w").fill_(1.0)[1][2] = bad;
    adamw_step(store, {}, 0.1, control_update(gradient_norm(store), 1.0));
    CHECK(at::equal(store.flat(StoreBuffer::kValue), values));
    CHECK(at::equal(store.flat(StoreBuffer::kExpAvg), exp_avg));
    CHECK(store.step_count().item<double>() == 1.0);
  }
}

TEST_CASE("a step refreshes the low-precision copy") {
  test::NamedParameters module({{"w", at::ones({3, 5})}});
  ParameterStore store(module, {});
  store.enable_shadow(at::kBFloat16);
  store.view(StoreBuffer::kGrad, "w").fill_(1.0);
  adamw_step(store, {}, 0.25);
  const at::Tensor value = store.view(StoreBuffer::kValue, "w");
  CHECK(value.max().item<double>() < 0.8);
  CHECK(at::equal(store.view(StoreBuffer::kShadow, "w"), value.to(at::kBFloat16)));
}

}  // namespace vim::optim
