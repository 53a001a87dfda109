// First a plan for every tensor, with all that is wrong; only then the copies.
#include "src/train/weight_import.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "src/core/error.h"
#include "src/core/name_pattern.h"
#include "src/train/stored_tensors.h"

namespace vim::train {
namespace {

constexpr const char* kPosEmbed = "pos_embed";

bool is_head(const std::string& name) { return name.starts_with("head."); }

bool is_rope_table(const std::string& name) { return name.starts_with("rope."); }

// Whether the stored tensor is the position embedding of a model as wide as ours.
bool is_embedding(
    const std::string& name, const at::Tensor& tensor, const weights::WeightTensor& stored) {
  return name == kPosEmbed && stored.shape.size() == 3 &&
         stored.shape.back() == tensor.sizes().back();
}

// The model's own copies of what a file holds, and what stands in their way.
class ImportPlan {
 public:
  ImportPlan(
      models::VisionMambaImpl& model,
      const weights::WeightFile& file,
      const std::string& set,
      const ImportRules& rules)
      : model_(model), file_(file), set_(set), rules_(rules) {
    for (const auto& item : model.named_parameters()) {
      wanted_[item.key()] = item.value();
    }
    for (const auto& item : model.named_buffers()) {
      wanted_[item.key()] = item.value();
    }
    for (const auto& [name, tensor] : wanted_) {
      plan(name, tensor);
    }
    for (const weights::WeightTensor& stored : file.tensors(set)) {
      if (!wanted_.contains(stored.name) && !(rules.new_head && is_head(stored.name))) {
        problems_.push_back("unexpected: " + stored.name);
      }
    }
  }

  std::vector<std::string> carry_out() {
    if (!problems_.empty()) {
      throw Error(fmt::format(
          "{}: its {} weights do not fit the configured model ({} tensors); use the configuration "
          "they were made with{}\n  {}",
          file_.name(),
          set_,
          problems_.size(),
          fmt::join(hints_, ""),
          fmt::join(problems_, "\n  ")));
    }
    const at::NoGradGuard no_grad;
    for (auto& [target, value] : copies_) {
      target.copy_(value);
    }
    return std::move(notes_);
  }

 private:
  void plan(const std::string& name, const at::Tensor& tensor) {
    const weights::WeightTensor* stored = file_.find(set_, name);
    if (stored == nullptr) {
      plan_missing(name);
    } else if (is_resized(name, tensor, *stored)) {
      plan_resize(tensor, *stored);
    } else if (stored->shape != tensor.sizes().vec()) {
      plan_misshapen(name, tensor, *stored);
    } else {
      copies_.emplace_back(tensor, load(*stored));
    }
  }

  bool is_resized(
      const std::string& name,
      const at::Tensor& tensor,
      const weights::WeightTensor& stored) const {
    if (!rules_.pos_embed || !is_embedding(name, tensor, stored)) {
      return false;
    }
    const bool has_other_grid =
        rules_.pos_embed_grid && !(*rules_.pos_embed_grid == models::patch_grid(model_.options()));
    return has_other_grid || stored.shape != tensor.sizes().vec();
  }

  void plan_resize(const at::Tensor& tensor, const weights::WeightTensor& stored) {
    const at::Tensor fitted = models::fit_pos_embed(
        load(stored), model_.options(), *rules_.pos_embed, rules_.pos_embed_grid);
    copies_.emplace_back(tensor, fitted);
    notes_.push_back(fmt::format(
        "{}: resized from {} rows to {}", stored.name, stored.shape.at(1), tensor.size(1)));
  }

  void plan_missing(const std::string& name) {
    if (core::matches_any(name, rules_.allow_missing) || (rules_.new_head && is_head(name))) {
      notes_.push_back(name + ": not in the file; the model keeps its own");
    } else {
      problems_.push_back("missing: " + name);
    }
  }

  void plan_misshapen(
      const std::string& name, const at::Tensor& tensor, const weights::WeightTensor& stored) {
    if (is_head(name) && rules_.new_head) {
      notes_.push_back(fmt::format(
          "{}: [{}] in the file, the model keeps its own [{}]",
          name,
          fmt::join(stored.shape, ", "),
          fmt::join(tensor.sizes(), ", ")));
      return;
    }
    if (is_rope_table(name) && rules_.pos_embed) {
      return;  // the model has computed its own for its grid
    }
    problems_.push_back(fmt::format(
        "misshapen: {} is [{}] in the file, [{}] in the model",
        name,
        fmt::join(stored.shape, ", "),
        fmt::join(tensor.sizes(), ", ")));
    if (is_embedding(name, tensor, stored)) {
      hints_.push_back(", or let the position embedding be resized");
    } else if (name == "head.weight") {
      hints_.push_back(", or ask for a new head");
    }
  }

  at::Tensor load(const weights::WeightTensor& stored) const {
    return float_tensor(file_.read(set_, stored).view(), stored.type, stored.shape, [&] {
      return file_.name() + ": " + stored.name;
    });
  }

  models::VisionMambaImpl& model_;
  const weights::WeightFile& file_;
  const std::string& set_;
  const ImportRules& rules_;
  std::map<std::string, at::Tensor> wanted_;
  std::vector<std::pair<at::Tensor, at::Tensor>> copies_;  // target, value
  std::vector<std::string> problems_;
  std::vector<std::string_view> hints_;
  std::vector<std::string> notes_;
};

}  // namespace

std::string choose_set(const weights::WeightFile& file, const std::string& which) {
  const std::vector<std::string> sets = file.sets();
  const auto has = [&sets](const std::string& set) {
    return std::find(sets.begin(), sets.end(), set) != sets.end();
  };
  if (which.empty()) {
    return has("ema") ? "ema" : "model";
  }
  if (!has(which)) {
    throw Error(fmt::format(
        "{}: holds no {} weights, only {}; choose one of these",
        file.name(),
        which,
        fmt::join(sets, ", ")));
  }
  return which;
}

std::vector<std::string> import_weights(
    models::VisionMambaImpl& model,
    const weights::WeightFile& file,
    const std::string& set,
    const ImportRules& rules) {
  return ImportPlan(model, file, set, rules).carry_out();
}

}  // namespace vim::train
