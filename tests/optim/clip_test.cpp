#include "src/optim/clip.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "tests/optim/test_module.h"
#include "tests/support/catch.h"

namespace vim::optim {
namespace {

ParameterStore make_store(test::NamedParameters& module) {
  ParameterStore store(module, {});
  store.view(StoreBuffer::kGrad, "w").copy_(at::linspace(-3, 5, 300 * 70).view({300, 70}));
  store.view(StoreBuffer::kGrad, "b").copy_(at::linspace(-2, 1, 33));
  return store;
}

}  // namespace

TEST_CASE("the gradient norm is the root of the sum of squares, whatever the thread count") {
  test::NamedParameters module({{"w", at::zeros({300, 70})}, {"b", at::zeros({33})}});
  const ParameterStore store = make_store(module);
  const at::Tensor all = store.flat(StoreBuffer::kGrad).to(at::kDouble);
  double sum = 0.0;
  for (int64_t i = 0; i < all.numel(); ++i) {
    sum += std::pow(all.const_data_ptr<double>()[i], 2);
  }
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double serial = gradient_norm(store).item<double>();
  at::set_num_threads(4);
  const double parallel = gradient_norm(store).item<double>();
  at::set_num_threads(threads);
  CHECK(serial == Approx(std::sqrt(sum)).epsilon(1e-6));  // rows of 1024 are summed in float
  CHECK(serial == parallel);
}

TEST_CASE("clipping divides by max(1, (norm + 1e-6) / max_norm)") {
  const at::Tensor norm = at::scalar_tensor(4.0, at::kDouble);
  CHECK(control_update(norm, 2.0).grad_scale.item<double>() == Approx(2.0000005).epsilon(1e-7));
  CHECK(control_update(norm, 8.0).grad_scale.item<double>() == 1.0);
  CHECK_FALSE(control_update(norm, std::nullopt).grad_scale.defined());
}

TEST_CASE("a norm that is not finite asks for a skip") {
  CHECK(control_update(at::scalar_tensor(4.0), 1.0).found_inf.item<double>() == 0.0);
  CHECK(control_update(at::scalar_tensor(NAN), 1.0).found_inf.item<double>() == 1.0);
  CHECK(control_update(at::scalar_tensor(INFINITY), {}).found_inf.item<double>() == 1.0);
}

}  // namespace vim::optim
