#include "src/optim/parameter_groups.h"

#include <ATen/ATen.h>

#include "src/core/error.h"
#include "src/optim/adamw.h"
#include "src/optim/parameter_store.h"
#include "tests/optim/test_module.h"
#include "tests/support/catch.h"

namespace vim::optim {
namespace {

test::NamedParameters make_module() {
  return test::NamedParameters(
      {{"cls_token", at::ones({1, 1, 3})},
       {"patch_embed.proj.weight", at::ones({3, 4})},
       {"head.weight", at::ones({7, 3})},
       {"layers.0.mixer.A_log", at::ones({5, 2})},
       {"layers.0.norm.weight", at::ones({3})},
       {"layers.1.mixer.A_log", at::ones({5, 2})}});
}

const std::vector<std::string> kNames = {"pos_embed", "layers.0.norm.weight", "layers.11.mixer.D"};

// Values after one update with gradients of 1 and the rate 0.1. Adam's first step moves a value by
// the rate, whatever the gradient.
ParameterStore step_once(test::NamedParameters& module, const AdamWOptions& options) {
  ParameterStore store(module, options);
  for (const auto& parameter : module.parameters()) {
    if (parameter.grad().defined()) {
      parameter.mutable_grad().fill_(1.0);
    }
  }
  adamw_step(store, options, 0.1);
  return store;
}

double value_of(const ParameterStore& store, const std::string& name) {
  return store.view(StoreBuffer::kValue, name).flatten()[0].item<double>();
}

}  // namespace

TEST_CASE("A_log is decayed officially, and not on request") {
  CHECK(is_decayed("layers.0.mixer.A_log", 2, {}));
  AdamWOptions keep_A;
  keep_A.decay_A_log = false;
  CHECK_FALSE(is_decayed("layers.0.mixer.A_log", 2, keep_A));
  CHECK_FALSE(is_decayed("layers.0.mixer.A_b_log", 2, keep_A));
}

TEST_CASE("layers are counted and placed by name") {
  CHECK(count_layers(kNames) == 12);
  CHECK(count_layers({"head.weight"}) == 0);
  CHECK(layer_place("pos_embed", 12) == 0);
  CHECK(layer_place("cls_token_tail", 12) == 0);
  CHECK(layer_place("patch_embed.proj.bias", 12) == 0);
  CHECK(layer_place("layers.0.norm.weight", 12) == 1);
  CHECK(layer_place("layers.11.mixer.D", 12) == 12);
  CHECK(layer_place("norm_f.weight", 12) == 13);
  CHECK(layer_place("head.bias", 12) == 13);
}

TEST_CASE("layer-wise decay scales each update by its distance from the head") {
  test::NamedParameters module = make_module();
  AdamWOptions options;
  options.weight_decay = 0.0;
  options.layer_decay = 0.5;
  const ParameterStore store = step_once(module, options);
  CHECK(value_of(store, "head.weight") == Approx(1.0 - 0.1).epsilon(1e-6));
  CHECK(value_of(store, "layers.1.mixer.A_log") == Approx(1.0 - 0.05).epsilon(1e-6));
  CHECK(value_of(store, "layers.0.norm.weight") == Approx(1.0 - 0.025).epsilon(1e-6));
  CHECK(value_of(store, "cls_token") == Approx(1.0 - 0.0125).epsilon(1e-6));
  CHECK(store.groups().size() == 4);
}

TEST_CASE("weight decay follows the scaled rate") {
  test::NamedParameters module = make_module();
  AdamWOptions options;
  options.weight_decay = 0.2;
  options.layer_decay = 0.5;
  const ParameterStore store = step_once(module, options);
  CHECK(value_of(store, "layers.1.mixer.A_log") == Approx(1.0 - 0.05 * 0.2 - 0.05).epsilon(1e-6));
}

TEST_CASE("frozen parameters have no gradient and stay as they are") {
  test::NamedParameters module = make_module();
  AdamWOptions options;
  options.freeze = {"layers.*", "cls_token"};
  options.freeze_except = {"layers.1.*"};
  const ParameterStore store = step_once(module, options);
  for (const char* name : {"layers.0.mixer.A_log", "layers.0.norm.weight", "cls_token"}) {
    CHECK(value_of(store, name) == 1.0);
    CHECK_FALSE(module.named_parameters()[name].requires_grad());
    CHECK_FALSE(module.named_parameters()[name].grad().defined());
  }
  CHECK(value_of(store, "layers.1.mixer.A_log") < 1.0);
  CHECK(store.num_elements() == 3 + 12 + 21 + 10 + 3 + 10);
  CHECK(store.num_trainable() == 12 + 21 + 10);
  CHECK(describe_groups(store).find("frozen, 3 tensors, 16 elements") != std::string::npos);
}

TEST_CASE("patterns that match nothing, or everything, are refused") {
  AdamWOptions options;
  options.freeze = {"layer.*"};
  CHECK_THROWS_AS(check_group_options(kNames, options), Error);
  options.freeze = {"*"};
  CHECK_THROWS_AS(check_group_options(kNames, options), Error);
  options.freeze_except = {"pos_embed"};
  CHECK_NOTHROW(check_group_options(kNames, options));
  options.layer_decay = 0.0;
  CHECK_THROWS_AS(check_group_options(kNames, options), Error);
}

}  // namespace vim::optim
