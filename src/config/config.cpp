// Document, table and rules put together.
#include "src/config/config.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "src/config/checks.h"
#include "src/config/field.h"
#include "src/config/nearest_name.h"
#include "src/config/problems.h"
#include "src/config/yaml_document.h"
#include "src/config/yaml_limits.h"
#include "src/core/error.h"
#include "src/core/logging.h"

namespace vim::config {
namespace {

constexpr std::string_view kPresetKey = "model.preset";

// The key that was probably meant: the same word in another section, else the nearest of this
// section.
std::string_view nearest_key(std::string_view key) {
  const auto [section, last] = split_key(key);
  const std::string_view leaf = last.empty() ? section : last;  // a section may be missing
  std::vector<std::string_view> of_section;
  std::vector<std::string_view> all;
  for (const Field& field : all_fields()) {
    const auto [field_section, field_leaf] = split_key(field.key);
    if (field_leaf == leaf) {
      return field.key;
    }
    all.push_back(field.key);
    if (field_section == section) {
      of_section.push_back(field_leaf);
    }
  }
  const std::string_view nearest = nearest_name(leaf, of_section);
  if (nearest.empty()) {
    return of_section.empty() ? nearest_name(key, all) : std::string_view();
  }
  const size_t length = section.size() + 1 + nearest.size();
  for (const std::string_view name : all) {
    if (name.size() == length && name.starts_with(section) && name.ends_with(nearest)) {
      return name;
    }
  }
  return {};
}

std::string unknown_key(const Assignment& assignment) {
  const std::string_view nearest = nearest_key(assignment.key);
  if (nearest.empty()) {
    return "unknown key; --print-config lists all keys";
  }
  const bool is_same_section = split_key(nearest).first == split_key(assignment.key).first;
  const bool is_short = is_same_section && !assignment.origin.is_override;
  return fmt::format(
      "unknown key; did you mean {}?", is_short ? split_key(nearest).second : nearest);
}

std::string unfit_value(const Field& field, const Value& value) {
  const std::string_view nearest = nearest_name(plain_scalar(value), field.words);
  return nearest.empty() ? fmt::format("got {}; use {}", describe(value), field.expected)
                         : fmt::format("got {}; did you mean {}?", describe(value), nearest);
}

// Applies assignments to a configuration and remembers where each key was set.
class Assigner {
 public:
  Assigner(const std::string& name, Problems& problems) : name_(name), problems_(problems) {}

  // The preset goes first, because it fills every model option.
  void apply(const std::vector<Assignment>& assignments) {
    for (const bool is_preset_turn : {true, false}) {
      for (const Assignment& assignment : assignments) {
        if ((assignment.key == kPresetKey) == is_preset_turn) {
          apply(assignment);
        }
      }
    }
    config_.model.num_classes = config_.data.num_classes;
  }

  void check() {
    for (const Violation& violation : find_violations(config_, unreadable_)) {
      problems_.add(origin_of(violation.keys), violation.keys.front(), violation.what);
    }
  }

  RunConfig take() { return std::move(config_); }

 private:
  void apply(const Assignment& assignment) {
    const Field* field = find_field(assignment.key);
    if (field == nullptr) {
      problems_.add(assignment.origin, assignment.key, unknown_key(assignment));
      return;
    }
    origins_[assignment.key] = assignment.origin;
    if (!field->set(config_, assignment.value)) {
      unreadable_.insert(assignment.key);
      problems_.add(assignment.origin, assignment.key, unfit_value(*field, assignment.value));
    }
  }

  // Where the first of these keys that was set at all was set. An override names its own key, so
  // the violated one is named only if it is that.
  Origin origin_of(const std::vector<std::string_view>& keys) const {
    for (const std::string_view key : keys) {
      const auto found = origins_.find(key);
      if (found != origins_.end()) {
        Origin origin = found->second;
        origin.is_override = origin.is_override && key == keys.front();
        return origin;
      }
    }
    return {.where = name_};
  }

  const std::string& name_;
  Problems& problems_;
  RunConfig config_;
  std::map<std::string, Origin, std::less<>> origins_;
  std::set<std::string, std::less<>> unreadable_;
};

// The official linear rule, unless switched off.
double peak_lr(const RunConfig& config) {
  const double scale = static_cast<double>(config.train.global_batch) / 512;
  return config.optim.scale_lr ? config.optim.lr * scale : config.optim.lr;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    const char* reason = file ? "it is a folder" : std::strerror(errno);
    throw Error(fmt::format("{}: cannot read: {}; check the path", path.string(), reason));
  }
  std::string text(kMaxYamlSize + 1, '\0');  // one byte more shows that the limit is broken
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

}  // namespace

RunConfig load_config(
    const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  RunConfig config = parse_config(read_text(path), path.string(), overrides);
  for (const std::string& warning : config_warnings(config)) {
    spdlog::warn("{}: {}", path.string(), warning);
  }
  return config;
}

RunConfig parse_config(
    std::string_view text, const std::string& name, const std::vector<std::string>& overrides) {
  Problems problems;
  std::vector<Assignment> assignments = read_document(text, name, section_names(), problems);
  for (const std::string& argument : overrides) {
    Assignment assignment = read_override(argument, problems);
    if (!assignment.key.empty()) {
      assignments.push_back(std::move(assignment));
    }
  }
  Assigner assigner(name, problems);
  assigner.apply(assignments);
  assigner.check();
  problems.throw_if_any();
  return assigner.take();
}

void fill_num_classes(RunConfig& config, int64_t num_found) {
  if (config.data.num_classes == 0) {
    config.data.num_classes = num_found;
    config.model.num_classes = num_found;
  }
}

std::string to_yaml(const RunConfig& config) {
  RunConfig copy = config;  // fields read through mutable access
  std::string text;
  std::string_view current_section;
  for (const Field& field : all_fields()) {
    const auto [section, leaf] = split_key(field.key);
    if (section != current_section) {
      text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", section);
      current_section = section;
    }
    text += fmt::format("  {}: {}  # {}\n", leaf, field.get(copy), field.doc);
  }
  return text;
}

std::vector<std::string> config_warnings(const RunConfig& config) {
  std::vector<std::string> warnings;
  const auto warn_if = [&warnings](bool is_odd, const char* text) {
    if (is_odd) {
      warnings.emplace_back(text);
    }
  };
  const models::VisionMambaOptions& model = config.model;
  warn_if(
      model.drop_rate > 0 && !model.pos_embed,
      "model.drop_rate has no effect while model.pos_embed is false");
  warn_if(
      model.rope_residual && !model.rope,
      "model.rope_residual has no effect while model.rope is false");
  warn_if(
      config.schedule.min_lr > peak_lr(config),
      "schedule.min_lr is above the peak rate, so the rate rises after the warm-up");
  warn_if(
      model.pool == models::Pool::kAll,
      "model.pool all gives logits for every token; vim_train needs one row for each image");
  warn_if(
      config.augment.three_augment && config.augment.erase_prob > 0,
      "augment.erase_prob is above 0; officially nothing is erased with augment.three_augment");
  return warnings;
}

}  // namespace vim::config
