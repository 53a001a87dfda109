// The presets' groups are compared with the official ones in the golden runner (param_groups).
#include "src/optim/parameter_store.h"

#include <ATen/ATen.h>

#include "src/core/error.h"
#include "src/optim/adamw.h"
#include "src/optim/clip.h"
#include "src/optim/ema.h"
#include "tests/optim/test_module.h"
#include "tests/support/catch.h"

namespace vim::optim {
namespace {

test::NamedParameters make_module() {
  return test::NamedParameters(
      {{"pos_embed", at::randn({1, 5, 3})},
       {"head.weight", at::randn({7, 3})},
       {"head.bias", at::randn({7})},
       {"mixer.A_log", at::randn({65, 2})}});
}

std::vector<std::string> names_of(const ParameterGroup& group) {
  std::vector<std::string> names;
  for (const StoredParameter& member : group.members) {
    names.push_back(member.name);
  }
  return names;
}

// Sum of |x| over the elements that belong to no parameter.
double padding_of(const ParameterStore& store, StoreBuffer buffer) {
  at::Tensor rest = store.flat(buffer).clone();
  for (const ParameterGroup& group : store.groups()) {
    for (const StoredParameter& member : group.members) {
      rest.narrow(0, member.offset, member.parameter.numel()).zero_();
    }
  }
  return rest.abs().sum().item<double>();
}

}  // namespace

TEST_CASE("groups keep the registration order, undecayed first, each parameter on 256 bytes") {
  test::NamedParameters module = make_module();
  const ParameterStore store(module, {});
  REQUIRE(store.groups().size() == 2);
  CHECK(names_of(store.groups()[0]) == std::vector<std::string>{"pos_embed", "head.bias"});
  CHECK(names_of(store.groups()[1]) == std::vector<std::string>{"head.weight", "mixer.A_log"});
  CHECK(store.groups()[0].rule.weight_decay == 0.0);
  CHECK(store.groups()[1].rule.weight_decay == 0.05);
  CHECK(store.groups()[1].num_elements() == 21 + 130);
  CHECK(store.num_elements() == 15 + 7 + 21 + 130);
  for (const ParameterGroup& group : store.groups()) {
    for (const StoredParameter& member : group.members) {
      CHECK(member.offset * 4 % 256 == 0);
      CHECK(member.offset >= group.offset);
      CHECK(member.offset + member.parameter.numel() <= group.offset + group.length);
    }
  }
}

TEST_CASE("without weight decay there is one group in registration order") {
  test::NamedParameters module = make_module();
  AdamWOptions options;
  options.weight_decay = 0.0;
  const ParameterStore store(module, options);
  REQUIRE(store.groups().size() == 1);
  CHECK(
      names_of(store.groups()[0]) ==
      std::vector<std::string>{"pos_embed", "head.weight", "head.bias", "mixer.A_log"});
}

TEST_CASE("module parameters keep their values and share the store's memory") {
  test::NamedParameters module = make_module();
  const at::Tensor weight = module.named_parameters()["head.weight"];
  const at::Tensor before = weight.detach().clone();
  ParameterStore store(module, {});
  CHECK(at::equal(weight, before));
  store.flat(StoreBuffer::kValue).add_(1.0);
  CHECK(at::equal(weight, before + 1.0));
  (weight * weight).sum().backward();
  CHECK(at::equal(store.view(StoreBuffer::kGrad, "head.weight"), 2 * weight.detach()));
  (weight * weight).sum().backward();
  CHECK(at::equal(store.view(StoreBuffer::kGrad, "head.weight"), 4 * weight.detach()));
  store.zero_grad();
  CHECK(weight.grad().abs().sum().item<double>() == 0.0);
  store.check_views();
}

TEST_CASE("the padding stays zero through steps, clipping and averaging") {
  test::NamedParameters module = make_module();
  ParameterStore store(module, {});
  store.enable_ema();
  store.enable_shadow(at::kBFloat16);
  for (int step = 0; step < 3; ++step) {
    store.zero_grad();
    for (const auto& parameter : module.parameters()) {
      parameter.mutable_grad().fill_(2.0);
    }
    adamw_step(store, {}, 0.1, control_update(gradient_norm(store), 0.5));
    update_ema(store, 0.9);
  }
  for (const StoreBuffer buffer :
       {StoreBuffer::kValue,
        StoreBuffer::kGrad,
        StoreBuffer::kExpAvg,
        StoreBuffer::kExpAvgSq,
        StoreBuffer::kEma,
        StoreBuffer::kShadow}) {
    CHECK(padding_of(store, buffer) == 0.0);
  }
}

TEST_CASE("a parameter that left the store is named") {
  test::NamedParameters module = make_module();
  const ParameterStore store(module, {});
  module.named_parameters()["head.bias"].mutable_grad() = at::Tensor();
  std::string message;
  try {
    store.check_views();
  } catch (const c10::Error& error) {
    message = error.what();
  }
  CHECK(message.find("head.bias") != std::string::npos);
}

TEST_CASE("the first gradient that is not finite is named in the groups' order") {
  test::NamedParameters module = make_module();
  const ParameterStore store(module, {});
  CHECK(store.find_non_finite_gradient().empty());
  store.view(StoreBuffer::kGrad, "head.weight")[2][1] = NAN;
  CHECK(store.find_non_finite_gradient() == "head.weight");
  store.view(StoreBuffer::kGrad, "head.bias")[3] = INFINITY;
  CHECK(store.find_non_finite_gradient() == "head.bias");
}

TEST_CASE("a shadow is found through the parameter and follows its shape") {
  test::NamedParameters module = make_module();
  ParameterStore store(module, {});
  const at::Tensor weight = module.named_parameters()["head.weight"];
  CHECK_FALSE(store.shadow_of(weight).defined());
  store.enable_shadow(at::kBFloat16);
  CHECK(at::equal(store.shadow_of(weight), weight.detach().to(at::kBFloat16)));
  CHECK_FALSE(store.shadow_of(at::ones({7, 3})).defined());
}

TEST_CASE("options and parameters that cannot work are refused") {
  test::NamedParameters module = make_module();
  AdamWOptions options;
  options.eps = 0.0;
  CHECK_THROWS_AS(ParameterStore(module, options), Error);
  test::NamedParameters half({{"w", at::ones({2}, at::kHalf)}});
  CHECK_THROWS_AS(ParameterStore(half, {}), c10::Error);
}

TEST_CASE("the description names every group and member") {
  test::NamedParameters module = make_module();
  const std::string text = describe_groups(ParameterStore(module, {}));
  CHECK(text.find("group 1: weight decay 0.05, 2 tensors, 151 elements") != std::string::npos);
  CHECK(text.find("mixer.A_log [65, 2]") != std::string::npos);
}

}  // namespace vim::optim
