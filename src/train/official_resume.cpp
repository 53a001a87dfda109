// The official optimizer numbers its parameters group by group: those without weight decay first,
// each in the model's registration order (vim_spec 6.3).
#include "src/train/official_resume.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "src/core/error.h"
#include "src/core/mapped_file.h"
#include "src/optim/schedule.h"
#include "src/train/stored_tensors.h"
#include "src/train/weight_import.h"
#include "src/weights/file_kind.h"
#include "src/weights/official_checkpoint.h"
#include "src/weights/torch_file.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;
using weights::OfficialTrainingState;

std::vector<std::string> official_order(models::VisionMambaImpl& model, size_t num_groups) {
  std::vector<std::string> plain;
  std::vector<std::string> decayed;
  for (const auto& item : model.named_parameters()) {
    const bool is_second =
        num_groups > 1 && optim::is_decayed(item.key(), item.value().dim(), optim::AdamWOptions{});
    (is_second ? decayed : plain).push_back(item.key());
  }
  plain.insert(plain.end(), decayed.begin(), decayed.end());
  return plain;
}

// Collects what differs, key by key, with what to set.
class RecipeCheck {
 public:
  RecipeCheck(const OfficialTrainingState& state, const OfficialRecipe& recipe) {
    check_schedule(state, recipe);
    check_optimizer(state, recipe);
  }

  const std::vector<std::string>& lines() const { return lines_; }

 private:
  // The official program stores what it computed in double: equal but for a rounding.
  void compare(const char* key, double official, double ours) {
    constexpr double kRounding = 1e-9;
    if (std::abs(official - ours) > kRounding * std::max(std::abs(official), std::abs(ours))) {
      lines_.push_back(fmt::format("{}: {} officially, {} here", key, official, ours));
    }
  }

  void compare_scheduled(
      const OfficialTrainingState& state, const char* name, const char* key, double ours) {
    const auto stored = state.schedule.find(name);
    if (stored != state.schedule.end() && !stored->second.empty()) {
      compare(key, stored->second.front(), ours);
    }
  }

  void check_schedule(const OfficialTrainingState& state, const OfficialRecipe& recipe) {
    compare_scheduled(state, "t_initial", "train.epochs", static_cast<double>(recipe.epochs));
    compare_scheduled(state, "warmup_t", "schedule.warmup_epochs", recipe.schedule.warmup_epochs);
    compare_scheduled(state, "warmup_lr_init", "schedule.warmup_lr", recipe.schedule.warmup_lr);
    compare_scheduled(state, "lr_min", "schedule.min_lr", recipe.schedule.min_lr);
    compare_scheduled(
        state,
        "base_values",
        "optim.lr (times train.global_batch / 512 with optim.scale_lr)",
        optim::peak_learning_rate(recipe.optim, recipe.global_batch));
  }

  void check_optimizer(const OfficialTrainingState& state, const OfficialRecipe& recipe) {
    const weights::OfficialGroup& group = state.groups.back();
    compare("optim.weight_decay", group.weight_decay, recipe.optim.weight_decay);
    compare("optim.betas (first)", group.beta1, recipe.optim.betas[0]);
    compare("optim.betas (second)", group.beta2, recipe.optim.betas[1]);
    compare("optim.eps", group.eps, recipe.optim.eps);
  }

  std::vector<std::string> lines_;
};

void check_recipe(
    const std::string& name, const OfficialTrainingState& state, const OfficialRecipe& recipe) {
  const RecipeCheck check(state, recipe);
  if (!check.lines().empty()) {
    throw Error(fmt::format(
        "{}: was trained with another recipe; set these keys to the official values to go on, or "
        "start a new run from its weights with finetune.weights\n  {}",
        name,
        fmt::join(check.lines(), "\n  ")));
  }
}

// A moment that was read, and the place for it.
struct Moment {
  at::Tensor target;
  at::Tensor value;
};

// All moments in the official order, checked, but not yet copied.
class MomentReader {
 public:
  MomentReader(
      const weights::WeightFile& file,
      const OfficialTrainingState& state,
      const std::vector<std::string>& order,
      const optim::ParameterStore& store)
      : file_(file), store_(store) {
    if (state.moments.size() != order.size()) {
      throw Error(fmt::format(
          "{}: its optimizer knows {} parameters, the configured model has {}; resume with the "
          "model it was made with",
          file.name(),
          state.moments.size(),
          order.size()));
    }
    // As many as there are names, in rising order: any gap shows as a wrong last index.
    if (state.moments.rbegin()->first + 1 != static_cast<int64_t>(order.size())) {
      throw Error(file.name() + ": optimizer.state is not numbered from 0; the file is damaged");
    }
    for (const auto& [index, moments] : state.moments) {
      read(index, order[static_cast<size_t>(index)], moments);
    }
  }

  const std::vector<Moment>& moments() const { return moments_; }
  double step() const { return step_; }

 private:
  void read(int64_t index, const std::string& name, const weights::OfficialMoments& stored) {
    if (index > 0 && stored.step != step_) {
      throw Error(fmt::format(
          "{}: optimizer.state.{}.step is {}, that of others {}; parameters that were updated "
          "unequally often cannot be taken over",
          file_.name(),
          index,
          stored.step,
          step_));
    }
    step_ = stored.step;
    add(index, "exp_avg", *stored.exp_avg, store_.view(StoreBuffer::kExpAvg, name));
    add(index, "exp_avg_sq", *stored.exp_avg_sq, store_.view(StoreBuffer::kExpAvgSq, name));
  }

  void add(
      int64_t index,
      const char* key,
      const weights::TorchTensor& stored,
      const at::Tensor& target) {
    const auto what = [&] {
      return fmt::format("{}: optimizer.state.{}.{}", file_.name(), index, key);
    };
    if (stored.shape != target.sizes().vec()) {
      throw Error(fmt::format(
          "{} is [{}], its parameter [{}]; resume with the model it was made with",
          what(),
          fmt::join(stored.shape, ", "),
          fmt::join(target.sizes(), ", ")));
    }
    const weights::TensorBytes bytes = file_.torch()->read(stored);
    moments_.push_back({target, float_tensor(bytes.view(), stored.type, stored.shape, what)});
  }

  const weights::WeightFile& file_;
  const optim::ParameterStore& store_;
  std::vector<Moment> moments_;
  double step_ = 0.0;
};

// The average goes through the model's own tensors into its buffer.
void restore_average(
    const weights::WeightFile& file,
    models::VisionMambaImpl& model,
    const optim::ParameterStore& store) {
  import_weights(model, file, choose_set(file, "ema"), {});
  store.flat(StoreBuffer::kEma).copy_(store.flat(StoreBuffer::kValue));
}

void restore_scaler(const OfficialTrainingState& state, const optim::ParameterStore& store) {
  if (store.loss_scale().defined() && state.scaler) {
    store.loss_scale().fill_(state.scaler->scale);
    store.scale_growth().fill_(state.scaler->growth_tracker);
  }
}

}  // namespace

bool is_torch_file(const std::filesystem::path& path) {
  const core::MappedFile file(path);
  const weights::FileKind kind = weights::recognise_kind(file.bytes());
  return kind == weights::FileKind::kTorchZip || kind == weights::FileKind::kTorchLegacy;
}

OfficialProgress restore_official(
    const weights::WeightFile& file,
    models::VisionMambaImpl& model,
    optim::ParameterStore& store,
    const OfficialRecipe& recipe) {
  const auto state = weights::read_official_state(file);
  if (!state || state->epoch < 0 || state->groups.empty()) {
    throw Error(
        file.name() +
        ": holds no training state, only weights; start a new run from it with finetune.weights");
  }
  check_recipe(file.name(), *state, recipe);
  const at::NoGradGuard no_grad;
  const MomentReader reader(file, *state, official_order(model, state->groups.size()), store);
  if (store.has(StoreBuffer::kEma)) {
    restore_average(file, model, store);
  }
  import_weights(model, file, choose_set(file, "model"), {});
  for (const Moment& moment : reader.moments()) {
    moment.target.copy_(moment.value);
  }
  store.step_count().fill_(reader.step());
  restore_scaler(*state, store);
  store.refresh_shadow();
  return {state->epoch + 1, reader.step()};
}

}  // namespace vim::train
