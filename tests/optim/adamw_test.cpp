// The update rule itself is compared with PyTorch's in the golden runner (adamw).
#include "src/optim/adamw.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/optim/clip.h"
#include "tests/optim/test_module.h"
#include "tests/support/catch.h"

namespace vim::optim {

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
