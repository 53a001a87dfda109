// Which parameters the optimizer treats alike: by name and dimension, never by position.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/optim/optim_options.h"

namespace vim::optim {

/// A parameter's treatment.
struct GroupRule {
  double weight_decay = 0.0;
  double lr_scale = 1.0;   // of the learning rate
  bool is_frozen = false;  // never updated, and no gradient computed; the other two are 0 and 1

  bool operator==(const GroupRule&) const = default;
};

/// True if the official rule gives a parameter of this name and dimension weight decay: not to
/// one-dimensional ones, biases, position embedding and class tokens (vim_spec 6.3).
bool is_decayed(const std::string& name, int64_t dim, const AdamWOptions& options);

/// How many layers the names speak of: one more than the largest i in "layers.i.".
int64_t count_layers(const std::vector<std::string>& names);

/// The place of a parameter in layer-wise decay: 0 for position embedding, class tokens and patch
/// embedding, i + 1 for layer i, depth + 1 for the rest (vim_spec 10.1).
int64_t layer_place(std::string_view name, int64_t depth);

/// lr_scale is layer_decay^(depth + 1 - layer_place). A parameter is frozen if its name matches one
/// of options.freeze and none of options.freeze_except.
GroupRule group_rule(
    const std::string& name, int64_t dim, int64_t depth, const AdamWOptions& options);

/// Throws vim::Error for a factor out of range, a pattern that matches none of the names, or
/// patterns that leave nothing to train.
void check_group_options(const std::vector<std::string>& names, const AdamWOptions& options);

}  // namespace vim::optim
