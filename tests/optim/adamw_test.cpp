#include "src/optim/adamw.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "src/optim/clip.h"
#include "tests/optim/test_module.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"

namespace vim::optim {
namespace {

constexpr double kTolerance = 2e-6;  // golden/README.md: AdamW after five steps
constexpr std::array<const char*, 4> kNames = {"w", "v", "b", "n"};

struct GoldenRun {
  std::string name;
  weights::SafetensorsFile file;
  nlohmann::json settings;

  at::Tensor tensor(const std::string& what, const std::string& parameter) const {
    return test::read_tensor(file, name + "/" + what + "/" + parameter);
  }
};

AdamWOptions options_of(const nlohmann::json& settings) {
  AdamWOptions options;
  options.betas = {settings["betas"][0], settings["betas"][1]};
  options.eps = settings["eps"];
  options.weight_decay = settings["wd"];
  if (!settings["max_norm"].is_null()) {
    options.clip_norm = settings["max_norm"].get<double>();
  }
  return options;
}

// Returns the norm before clipping.
double take_step(ParameterStore& store, const GoldenRun& run, size_t step) {
  store.zero_grad();
  for (const char* name : kNames) {
    store.view(StoreBuffer::kGrad, name).copy_(run.tensor("grad" + std::to_string(step), name));
  }
  const AdamWOptions options = options_of(run.settings);
  const at::Tensor norm = gradient_norm(store);
  adamw_step(
      store, options, run.settings["lr_of_step"][step], control_update(norm, options.clip_norm));
  return norm.item<double>();
}

void check_run(const GoldenRun& run) {
  std::vector<std::pair<std::string, at::Tensor>> start;
  for (const char* name : kNames) {
    start.emplace_back(name, run.tensor("start", name));
  }
  test::NamedParameters module(start);
  ParameterStore store(module, options_of(run.settings));
  for (size_t step = 0; step < 5; ++step) {
    INFO(run.name << " step " << step);
    const double norm = take_step(store, run, step);
    CHECK(norm == Approx(run.settings["total_norm"][step].get<double>()).epsilon(1e-6));
    for (const char* name : kNames) {
      const at::Tensor expected = run.tensor("param" + std::to_string(step), name);
      CHECK(test::relative_error(store.view(StoreBuffer::kValue, name), expected) < kTolerance);
      CHECK(test::relative_error(module.named_parameters()[name], expected) < kTolerance);
    }
  }
  for (const char* name : kNames) {
    INFO(run.name << " moments of " << name);
    CHECK(
        test::relative_error(store.view(StoreBuffer::kExpAvg, name), run.tensor("exp_avg", name)) <
        kTolerance);
    CHECK(
        test::relative_error(
            store.view(StoreBuffer::kExpAvgSq, name), run.tensor("exp_avg_sq", name)) < kTolerance);
  }
}

}  // namespace

TEST_CASE("AdamW with and without clipping follows the reference runs") {
  const auto file = weights::SafetensorsFile::open(test::golden_path("adamw.safetensors"));
  const auto runs = nlohmann::json::parse(file.metadata().at("runs"));
  REQUIRE(runs.size() == 3);
  for (const auto& [name, settings] : runs.items()) {
    check_run({name, file, settings});
  }
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
