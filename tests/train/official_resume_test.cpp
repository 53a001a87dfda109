// With the official checkpoints among the reference files: what is in them is known from the
// safetensors files beside them.
#include "src/train/official_resume.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/models/official_options.h"
#include "src/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;

const std::string kFolder = "tests/golden/pth/";

nlohmann::json expected_json(const std::string& name) {
  return nlohmann::json::parse(test::read_text(kFolder + "expected.json")).at("files").at(name);
}

models::VisionMamba make_model(const std::string& name) {
  const std::string options = expected_json(name).at("model_config").dump();
  models::VisionMamba model(models::options_from_official(options));
  at::Generator generator = at::detail::createCPUGenerator(1);
  model->reset_parameters(generator);
  return model;
}

// What the checkpoints' optimizer and scheduler say.
OfficialRecipe recipe() {
  OfficialRecipe recipe;
  recipe.optim.lr = 1e-3;
  recipe.optim.scale_lr = false;
  recipe.optim.weight_decay = 0.1;
  recipe.schedule.warmup_epochs = 5;
  recipe.schedule.warmup_lr = 1e-6;
  recipe.schedule.min_lr = 1e-5;
  recipe.epochs = 300;
  recipe.global_batch = 1024;
  return recipe;
}

std::string refusal(const std::string& name, const OfficialRecipe& ours) {
  models::VisionMamba model = make_model("checkpoint");
  optim::ParameterStore store(*model, ours.optim);
  return test::thrown_text([&] {
    restore_official(weights::WeightFile::open(kFolder + name + ".pth"), *model, store, ours);
  });
}

}  // namespace

TEST_CASE("weights, average, moments, steps and epoch come from an official checkpoint") {
  for (const std::string name : {"checkpoint", "checkpoint_legacy", "checkpoint_amp"}) {
    INFO(name);
    models::VisionMamba model = make_model(name);
    optim::ParameterStore store(*model, recipe().optim);
    store.enable_ema();
    const auto file = weights::WeightFile::open(kFolder + name + ".pth");
    const OfficialProgress progress = restore_official(file, *model, store, recipe());
    const auto golden = test::load_golden(kFolder + name + ".expected.safetensors");
    const nlohmann::json json = expected_json(name);
    CHECK(progress.epochs_done == json.at("epoch").get<int64_t>() + 1);
    for (const auto& [parameter, value] : golden.under("model/")) {
      CHECK(at::equal(store.view(StoreBuffer::kValue, parameter), value));
    }
    for (const auto& [parameter, value] : golden.under("model_ema/")) {
      CHECK(at::equal(store.view(StoreBuffer::kEma, parameter), value));
    }
    const auto order = json.at("optimizer_order").get<std::vector<std::string>>();
    for (size_t i = 0; i < order.size(); ++i) {
      const auto state = golden.under("optimizer/" + std::to_string(i) + "/");
      CHECK(at::equal(store.view(StoreBuffer::kExpAvg, order[i]), state.at("exp_avg")));
      CHECK(at::equal(store.view(StoreBuffer::kExpAvgSq, order[i]), state.at("exp_avg_sq")));
      CHECK(store.step_count().item<double>() == state.at("step").item<double>());
    }
  }
}

TEST_CASE("a gradient scaler is taken over where both have one, and else starts anew") {
  for (const std::string name : {"checkpoint_amp", "checkpoint"}) {
    INFO(name);
    models::VisionMamba model = make_model(name);
    optim::ParameterStore store(*model, recipe().optim);
    store.enable_loss_scale(128.0);
    restore_official(weights::WeightFile::open(kFolder + name + ".pth"), *model, store, recipe());
    const nlohmann::json scaler = expected_json(name).at("scaler");
    const bool has_scaler = scaler.is_object();
    CHECK(
        store.loss_scale().item<double>() ==
        (has_scaler ? scaler.at("scale").get<double>() : 128.0));
    CHECK(
        store.scale_growth().item<int64_t>() ==
        (has_scaler ? scaler.at("_growth_tracker").get<int64_t>() : 0));
  }
}

TEST_CASE("a recipe that differs is refused with every key to set") {
  OfficialRecipe ours = recipe();
  ours.epochs = 100;
  ours.optim.lr = 5e-4;
  ours.schedule.warmup_epochs = 0;
  const std::string error = refusal("checkpoint", ours);
  CHECK(test::contains(error, "train.epochs: 300 officially, 100 here"));
  CHECK(test::contains(error, "optim.lr"));
  CHECK(test::contains(error, "schedule.warmup_epochs: 5 officially, 0 here"));
  CHECK_FALSE(test::contains(error, "schedule.min_lr"));
}

TEST_CASE("a file of weights alone cannot be resumed from") {
  CHECK(test::contains(refusal("model_only", recipe()), "start a new run from it"));
}

TEST_CASE("an official run goes on as one of ours, at the epoch after its last") {
  const test::TempFolder temp;
  const test::ToyImages images(8);
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.optim = recipe().optim;
  options.schedule = recipe().schedule;
  options.step.train.epochs = recipe().epochs;
  options.resume = kFolder + "checkpoint.pth";
  int64_t steps = 0;
  options.should_stop = [&steps] { return ++steps > 2; };
  const int64_t done = expected_json("checkpoint").at("epoch").get<int64_t>() + 1;
  Trainer trainer(make_model("checkpoint"), {&images, nullptr}, options);
  CHECK(trainer.run() == RunOutcome::kStopped);
  REQUIRE(trainer.state().history.size() == 2);  // one step an epoch
  const EpochRecord& first = trainer.state().history.front();
  CHECK(first.epoch == done);
  // The schedule of vim_spec 6.4: epoch 7 trains with f(6).
  const double expected = 1e-5 + 0.5 * (1e-3 - 1e-5) * (1.0 + std::cos(M_PI * 6.0 / 300.0));
  CHECK(done == 7);
  CHECK(first.train_lr == Approx(expected).epsilon(1e-12));
}

TEST_CASE("on request the first epoch after a resume trains without the schedule's lag") {
  const test::TempFolder temp;
  const test::ToyImages images(8);
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.optim = recipe().optim;
  options.schedule = recipe().schedule;
  options.schedule.resume_lag = false;
  options.step.train.epochs = recipe().epochs;
  options.resume = kFolder + "checkpoint.pth";
  int64_t steps = 0;
  options.should_stop = [&steps] { return ++steps > 2; };
  Trainer trainer(make_model("checkpoint"), {&images, nullptr}, options);
  trainer.run();
  REQUIRE(trainer.state().history.size() == 2);
  const auto rate = [](double time) {
    return 1e-5 + 0.5 * (1e-3 - 1e-5) * (1.0 + std::cos(M_PI * time / 300.0));
  };
  CHECK(trainer.state().history[0].train_lr == Approx(rate(7.0)).epsilon(1e-12));
  CHECK(trainer.state().history[1].train_lr == Approx(rate(7.0)).epsilon(1e-12));
}

}  // namespace vim::train
