#include "src/optim/parameter_groups.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "src/core/error.h"
#include "src/core/name_pattern.h"

namespace vim::optim {
namespace {

constexpr std::array<std::string_view, 5> kTokens = {
    "pos_embed", "cls_token", "cls_token_head", "cls_token_tail", "dist_token"};

bool is_token(std::string_view name) {
  return std::find(kTokens.begin(), kTokens.end(), name) != kTokens.end();
}

// The i of "layers.i.", or -1.
int64_t layer_index(std::string_view name) {
  constexpr std::string_view kPrefix = "layers.";
  int64_t index = -1;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), index);
  }
  return index;
}

bool is_frozen(const std::string& name, const AdamWOptions& options) {
  return core::matches_any(name, options.freeze) && !core::matches_any(name, options.freeze_except);
}

void check_patterns(
    const char* key,
    const std::vector<std::string>& patterns,
    const std::vector<std::string>& names) {
  for (const std::string& pattern : patterns) {
    const bool is_used = std::any_of(names.begin(), names.end(), [&pattern](const auto& name) {
      return core::matches_any(name, {pattern});
    });
    if (!is_used) {
      throw Error(
          std::string(key) + ": no parameter is called '" + pattern +
          "'; vim_train --dry-run lists the names");
    }
  }
}

}  // namespace

bool is_decayed(const std::string& name, int64_t dim, const AdamWOptions& options) {
  if (dim <= 1 || name.ends_with(".bias") || is_token(name)) {
    return false;
  }
  const bool is_state_matrix = name.ends_with(".A_log") || name.ends_with(".A_b_log");
  return options.decay_A_log || !is_state_matrix;
}

int64_t count_layers(const std::vector<std::string>& names) {
  int64_t depth = 0;
  for (const std::string& name : names) {
    depth = std::max(depth, layer_index(name) + 1);
  }
  return depth;
}

int64_t layer_place(std::string_view name, int64_t depth) {
  if (is_token(name) || name.starts_with("patch_embed.")) {
    return 0;
  }
  const int64_t index = layer_index(name);
  return index >= 0 ? index + 1 : depth + 1;
}

GroupRule group_rule(
    const std::string& name, int64_t dim, int64_t depth, const AdamWOptions& options) {
  if (is_frozen(name, options)) {
    return {.is_frozen = true};
  }
  GroupRule rule;
  rule.weight_decay = is_decayed(name, dim, options) ? options.weight_decay : 0.0;
  const int64_t distance = depth + 1 - layer_place(name, depth);
  rule.lr_scale = std::pow(options.layer_decay, static_cast<double>(distance));
  return rule;
}

void check_group_options(const std::vector<std::string>& names, const AdamWOptions& options) {
  if (!(options.weight_decay >= 0)) {
    throw Error("optim.weight_decay: must not be negative; set 0 for no decay");
  }
  if (!(options.layer_decay > 0 && options.layer_decay <= 1)) {
    throw Error("optim.layer_decay: must be above 0 and at most 1; set 1 for equal rates");
  }
  check_patterns("optim.freeze", options.freeze, names);
  check_patterns("optim.freeze_except", options.freeze_except, names);
  const bool is_all_frozen = std::all_of(names.begin(), names.end(), [&options](const auto& name) {
    return is_frozen(name, options);
  });
  if (is_all_frozen) {
    throw Error("optim.freeze: leaves nothing to train; name fewer parameters, or add exceptions");
  }
}

}  // namespace vim::optim
