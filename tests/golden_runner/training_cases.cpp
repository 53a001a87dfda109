// lr_schedule, param_groups, sampler, ema and adamw cases: the recipe's pieces outside the model.
#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/data/sampler.h"
#include "src/models/official_options.h"
#include "src/models/vision_mamba.h"
#include "src/optim/adamw.h"
#include "src/optim/clip.h"
#include "src/optim/ema.h"
#include "src/optim/parameter_store.h"
#include "src/optim/schedule.h"
#include "tests/golden_runner/backend.h"
#include "tests/golden_runner/cases.h"

namespace vim::golden {
namespace {

using Json = nlohmann::json;

constexpr double kDouble = 1e-12;
constexpr double kFloat = 1e-6;
constexpr double kAdamW = 2e-6;

double relative(double computed, double expected) {
  return std::abs(computed - expected) / std::max(std::abs(expected), 1e-300);
}

Check equal(const std::string& what, bool is_equal) { return {what, is_equal ? 0.0 : 1.0, 0.0}; }

// A module with parameters of given names, for the parameter store.
class Parameters : public torch::nn::Module {
 public:
  void add(const std::string& name, const at::Tensor& value) {
    register_parameter(name, value.clone());
  }
};

at::Tensor float_tensor(const Json& values) {
  return at::tensor(values.get<std::vector<double>>(), at::kDouble).to(at::kFloat);
}

void run_adamw_case(
    const GoldenFile& golden, const std::string& run, const Json& settings, Checks& checks) {
  const auto start = golden.under(run + "/start/");
  Parameters module;
  for (const auto& [name, value] : start) {
    module.add(name, value);
  }
  optim::AdamWOptions options;
  options.betas = {settings.at("betas")[0].get<double>(), settings.at("betas")[1].get<double>()};
  options.eps = settings.at("eps").get<double>();
  options.weight_decay = settings.at("wd").get<double>();
  if (!settings.at("max_norm").is_null()) {
    options.clip_norm = settings.at("max_norm").get<double>();
  }
  module.to(device());
  optim::ParameterStore store(module, options);
  const Json& rates = settings.at("lr_of_step");
  for (size_t step = 0; step < rates.size(); ++step) {
    for (const auto& [name, grad] : golden.under(run + "/grad" + std::to_string(step) + "/")) {
      store.view(optim::StoreBuffer::kGrad, name).copy_(grad);
    }
    const at::Tensor norm = optim::gradient_norm(store);
    checks.push_back(
        {run + " norm",
         relative(norm.item<double>(), settings.at("total_norm")[step].get<double>()),
         kFloat});
    const auto control = optim::control_update(norm, options.clip_norm);
    optim::adamw_step(store, options, rates[step].get<double>(), control);
    for (const auto& [name, value] : golden.under(run + "/param" + std::to_string(step) + "/")) {
      const at::Tensor computed = store.view(optim::StoreBuffer::kValue, name);
      checks.push_back({run + " " + name, relative_error(computed, value), kAdamW});
    }
  }
  for (const auto& [name, value] : golden.under(run + "/exp_avg/")) {
    const at::Tensor computed = store.view(optim::StoreBuffer::kExpAvg, name);
    checks.push_back({run + " exp_avg " + name, relative_error(computed, value), kAdamW});
  }
  for (const auto& [name, value] : golden.under(run + "/exp_avg_sq/")) {
    const at::Tensor computed = store.view(optim::StoreBuffer::kExpAvgSq, name);
    checks.push_back({run + " exp_avg_sq " + name, relative_error(computed, value), kAdamW});
  }
}

// Names of the stored members, which for deep models list only the first and last layer, must
// appear in our group in the same order.
bool holds_in_order(const optim::ParameterGroup& group, const std::vector<std::string>& names) {
  size_t next = 0;
  for (const auto& member : group.members) {
    if (next < names.size() && member.name == names[next]) {
      ++next;
    }
  }
  return next == names.size();
}

void check_group(const optim::ParameterGroup& group, const Json& expected, Checks& checks) {
  checks.push_back(
      equal("count", static_cast<int64_t>(group.members.size()) == expected.at("count")));
  checks.push_back(equal("elements", group.num_elements() == expected.at("elements")));
  checks.push_back(
      equal("names", holds_in_order(group, expected.at("names").get<std::vector<std::string>>())));
}

}  // namespace

Checks run_lr_schedule(const std::filesystem::path& path) {
  constexpr int64_t kStepsPerEpoch = 7;
  Checks checks;
  const Json recipes = Json::parse(read_text(path));
  for (const auto& [name, recipe] : recipes.items()) {
    optim::ScheduleOptions options;
    options.warmup_epochs = recipe.at("warmup_epochs").get<double>();
    options.warmup_lr = recipe.at("warmup_lr").get<double>();
    options.min_lr = recipe.at("min_lr").get<double>();
    const auto check_epoch = [&](int64_t epoch, double expected) {
      for (const int64_t step : {epoch * kStepsPerEpoch, (epoch + 1) * kStepsPerEpoch - 1}) {
        const double rate = optim::learning_rate(
            options,
            recipe.at("lr").get<double>(),
            recipe.at("epochs").get<int64_t>(),
            step,
            kStepsPerEpoch);
        checks.push_back({name, relative(rate, expected), kDouble});
      }
    };
    const auto expected = recipe.at("lr_of_epoch").get<std::vector<double>>();
    for (size_t epoch = 0; epoch < expected.size(); ++epoch) {
      check_epoch(static_cast<int64_t>(epoch), expected[epoch]);
    }
    options.lag = false;  // f(e), which a resumed official run uses in its first epoch
    for (const auto& [epoch, value] : recipe.at("resumed_first_epoch").items()) {
      check_epoch(std::stoll(epoch), value.get<double>());
    }
  }
  return checks;
}

Checks run_param_groups(const std::filesystem::path& path) {
  Checks checks;
  const Json presets = Json::parse(read_text(path));
  for (const auto& [name, expected] : presets.items()) {
    models::VisionMamba model(models::options_from_official(expected.at("options").dump()));
    const optim::ParameterStore store(*model, {});
    checks.push_back(equal(name + " two groups", store.groups().size() == 2));
    check_group(store.groups().at(0), expected.at("no_decay"), checks);
    check_group(store.groups().at(1), expected.at("decay"), checks);
  }
  return checks;
}

Checks run_sampler(const std::filesystem::path& path) {
  const Json json = Json::parse(read_text(path));
  Checks checks;
  for (const auto& [seed, expected] : json.at("randperm20_by_seed").items()) {
    const auto order = data::torch_randperm(20, std::stoull(seed));
    checks.push_back(equal("randperm " + seed, order == expected.get<std::vector<int64_t>>()));
  }
  const auto check_kind = [&](const char* kind, auto order_of) {
    for (const Json& item : json.at(kind)) {
      const auto& ranks = item.at("ranks");
      for (size_t rank = 0; rank < ranks.size(); ++rank) {
        data::ShardOptions shard;
        shard.world = item.at("world").get<int64_t>();
        shard.rank = static_cast<int64_t>(rank);
        shard.seed = item.value("seed", uint64_t{0});
        shard.epoch = item.at("epoch").get<uint64_t>();
        shard.shuffle = item.value("shuffle", true);
        const auto order = order_of(item.at("n").get<int64_t>(), shard);
        checks.push_back(equal(kind, order == ranks[rank].get<std::vector<int64_t>>()));
      }
    }
  };
  check_kind("distributed", data::distributed_order);
  check_kind("repeated_augmentation", data::repeated_augmentation_order);
  return checks;
}

Checks run_ema(const std::filesystem::path& path) {
  Checks checks;
  const Json json = Json::parse(read_text(path));
  for (const Json& item : json.at("cases")) {
    Parameters module;
    module.add("w", float_tensor(item.at("start")));
    module.to(device());
    optim::ParameterStore store(module, {});
    store.enable_ema();
    for (const Json& step : item.at("steps")) {
      store.view(optim::StoreBuffer::kValue, "w").copy_(float_tensor(step.at("model")));
      optim::update_ema(store, item.at("decay").get<double>());
      checks.push_back(
          {"ema",
           relative_error(store.view(optim::StoreBuffer::kEma, "w"), float_tensor(step.at("ema"))),
           kFloat});
    }
  }
  return checks;
}

Checks run_adamw(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  Checks checks;
  const Json runs = Json::parse(golden.metadata.at("runs"));
  for (const auto& [run, settings] : runs.items()) {
    run_adamw_case(golden, run, settings, checks);
  }
  return checks;
}

}  // namespace vim::golden
