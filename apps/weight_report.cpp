// The report is put together once, as JSON; printing only lays it out.
#include "apps/weight_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/core/error.h"
#include "src/weights/official_checkpoint.h"
#include "src/weights/tensor_statistics.h"

namespace vim::apps {
namespace {

using Json = nlohmann::ordered_json;

Json describe_tensor(
    const weights::WeightFile& file, const std::string& set, const weights::WeightTensor& tensor) {
  const auto numbers = weights::statistics_of(tensor.type, file.read(set, tensor));
  return {
      {"name", tensor.name},
      {"dtype", weights::type_name(tensor.type)},
      {"shape", tensor.shape},
      {"min", numbers.min},
      {"max", numbers.max},
      {"mean", numbers.mean},
      {"std", numbers.std},
      {"nan", numbers.num_nan},
      {"inf", numbers.num_inf},
      {"elements", numbers.num_elements}};
}

Json describe_set(const weights::WeightFile& file, const std::string& set) {
  Json described = {{"name", set}, {"stripped_prefix", file.stripped_prefix(set)}};
  int64_t elements = 0;
  Json tensors = Json::array();
  for (const weights::WeightTensor& tensor : file.tensors(set)) {
    tensors.push_back(describe_tensor(file, set, tensor));
    elements += tensors.back()["elements"].get<int64_t>();
  }
  described["elements"] = elements;
  described["tensors"] = std::move(tensors);
  return described;
}

Json describe_group(const weights::OfficialGroup& group) {
  return {
      {"lr", group.lr},
      {"initial_lr", group.initial_lr},
      {"weight_decay", group.weight_decay},
      {"betas", {group.beta1, group.beta2}},
      {"eps", group.eps},
      {"parameters", group.parameters.size()}};
}

Json describe_state(const weights::OfficialTrainingState& state) {
  Json described = {{"epoch", state.epoch}, {"groups", Json::array()}};
  for (const weights::OfficialGroup& group : state.groups) {
    described["groups"].push_back(describe_group(group));
  }
  described["moments"] = state.moments.size();
  described["schedule"] = state.schedule;
  described["scaler"] = nullptr;
  if (state.scaler) {
    described["scaler"] = {
        {"scale", state.scaler->scale}, {"growth_tracker", state.scaler->growth_tracker}};
  }
  return described;
}

void print_tensor(const Json& tensor) {
  const auto number = [&tensor](const char* key) { return tensor.at(key).get<double>(); };
  const std::string shape =
      fmt::format("[{}]", fmt::join(tensor.at("shape").get<std::vector<int64_t>>(), ", "));
  std::string line = fmt::format(
      "  {:<44} {:>7} {:<18} {:>11.4g} {:>11.4g} {:>11.4g} {:>11.4g}",
      tensor.at("name").get_ref<const std::string&>(),
      tensor.at("dtype").get_ref<const std::string&>(),
      shape,
      number("min"),
      number("max"),
      number("mean"),
      number("std"));
  for (const char* key : {"nan", "inf"}) {
    if (tensor.at(key) != 0) {
      line += fmt::format("  {} {}", tensor.at(key).get<int64_t>(), key);
    }
  }
  fmt::print("{}\n", line);
}

void print_set(const Json& set) {
  const std::string prefix = set.at("stripped_prefix").get<std::string>();
  fmt::print(
      "\n{}: {} tensors, {} elements{}\n",
      set.at("name").get<std::string>(),
      set.at("tensors").size(),
      set.at("elements").get<int64_t>(),
      prefix.empty() ? "" : fmt::format(", \"{}\" cut off every name", prefix));
  fmt::print(
      "  {:<44} {:>7} {:<18} {:>11} {:>11} {:>11} {:>11}\n",
      "name",
      "dtype",
      "shape",
      "min",
      "max",
      "mean",
      "std");
  for (const Json& tensor : set.at("tensors")) {
    print_tensor(tensor);
  }
}

// One line for each entry, long texts cut short.
void print_entries(const char* title, const Json& entries) {
  if (entries.empty()) {
    return;
  }
  constexpr size_t kWidest = 90;
  constexpr auto kReplace = Json::error_handler_t::replace;  // texts need not be UTF-8
  fmt::print("\n{}\n", title);
  for (const auto& [key, value] : entries.items()) {
    std::string text =
        value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, kReplace);
    for (char& c : text) {
      c = c == '\n' ? ' ' : c;
    }
    const bool is_long = text.size() > kWidest;
    fmt::print("  {}: {}{}\n", key, text.substr(0, kWidest), is_long ? "..." : "");
  }
}

}  // namespace

Json describe_weights(const weights::WeightFile& file) {
  Json report = {
      {"path", file.name()},
      {"format", weights::format_name(file.format())},
      {"sets", Json::array()}};
  for (const std::string& set : file.sets()) {
    report["sets"].push_back(describe_set(file, set));
  }
  report["training_state"] = nullptr;
  try {
    if (const auto state = weights::read_official_state(file)) {
      report["training_state"] = describe_state(*state);
    }
  } catch (const Error& error) {  // another program's; the weights are of interest all the same
    report["training_state"] = {{"not read", error.what()}};
  }
  report["args"] = Json::object();
  for (const auto& [name, text] : weights::read_official_args(file)) {
    report["args"][name] = text;
  }
  report["metadata"] = file.metadata();
  return report;
}

void print_weights(const Json& report) {
  fmt::print(
      "{}: {}\n", report.at("path").get<std::string>(), report.at("format").get<std::string>());
  for (const Json& set : report.at("sets")) {
    print_set(set);
  }
  print_entries("training state", report.at("training_state"));
  print_entries("arguments of the run", report.at("args"));
  print_entries("metadata", report.at("metadata"));
}

}  // namespace vim::apps
