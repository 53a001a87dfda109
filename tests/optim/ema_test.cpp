// Sequences of averages are compared with the reference in the golden runner (ema).
#include "src/optim/ema.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tests/optim/test_module.h"
#include "tests/support/catch.h"

namespace vim::optim {

TEST_CASE("a skipped step leaves the average as it was") {
  test::NamedParameters module({{"w", at::ones({7})}});
  ParameterStore store(module, {});
  store.enable_ema();
  store.view(StoreBuffer::kValue, "w").fill_(2.0);
  update_ema(store, 0.5, at::ones({}));
  CHECK(at::equal(store.view(StoreBuffer::kEma, "w"), at::ones({7})));
  update_ema(store, 0.5);
  CHECK(at::equal(store.view(StoreBuffer::kEma, "w"), at::full({7}, 1.5)));
}

TEST_CASE("a skipped step leaves the average finite where the weights are not") {
  test::NamedParameters module({{"w", at::ones({7})}});
  ParameterStore store(module, {});
  store.enable_ema();
  store.view(StoreBuffer::kValue, "w").fill_(NAN);
  update_ema(store, 0.5, at::ones({}));
  CHECK(at::equal(store.view(StoreBuffer::kEma, "w"), at::ones({7})));
  store.view(StoreBuffer::kValue, "w").fill_(2.0);
  update_ema(store, 0.5, at::zeros({}));
  CHECK(at::equal(store.view(StoreBuffer::kEma, "w"), at::full({7}, 1.5)));
}

TEST_CASE("the model computes with the average for a while and gets its values back") {
  test::NamedParameters module({{"w", at::ones({2, 7})}});
  ParameterStore store(module, {});
  store.enable_ema();
  store.enable_shadow(at::kBFloat16);
  store.view(StoreBuffer::kEma, "w").fill_(3.0);
  {
    const AveragedWeights averaged(store);
    CHECK(at::equal(module.named_parameters()["w"], at::full({2, 7}, 3.0)));
    CHECK(store.view(StoreBuffer::kShadow, "w")[0][0].item<double>() == 3.0);
  }
  CHECK(at::equal(module.named_parameters()["w"], at::ones({2, 7})));
  CHECK(store.view(StoreBuffer::kShadow, "w")[0][0].item<double>() == 1.0);
}

}  // namespace vim::optim
