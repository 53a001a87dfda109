// A table from official names to setters, applied in the order of the JSON object.
#include "src/models/official_options.h"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "src/core/error.h"

namespace vim::models {
namespace {

using Json = nlohmann::json;

// Official switches that only together say where the class token stands.
struct ClsSwitches {
  bool has_token = true;
  bool is_double = false;
  bool is_middle = true;

  ClsPosition position() const {
    return !has_token  ? ClsPosition::kNone
           : is_double ? ClsPosition::kDouble
           : is_middle ? ClsPosition::kMiddle
                       : ClsPosition::kHead;
  }
};

struct Target {
  VisionMambaOptions options;
  ClsSwitches cls;
  bool forces_v1 = false;
};

using Setter = std::function<void(Target&, const Json&)>;

// Reads a JSON value of a field's own type.
template <typename Field>
Setter into(Field VisionMambaOptions::*field) {
  return [field](Target& target, const Json& value) { target.options.*field = value.get<Field>(); };
}

template <typename Field>
Setter into(Field nn::MambaMixerOptions::*field) {
  return [field](Target& target, const Json& value) {
    target.options.mixer.*field = value.get<Field>();
  };
}

Setter into(bool ClsSwitches::*field) {
  return [field](Target& target, const Json& value) { target.cls.*field = value.get<bool>(); };
}

nn::Bimamba bimamba_from(const std::string& type) {
  return type == "v1" ? nn::Bimamba::kV1 : type == "v2" ? nn::Bimamba::kV2 : nn::Bimamba::kNone;
}

Pool pool_from(const std::string& type) {
  static const std::map<std::string, Pool> pools = {
      {"none", Pool::kLast}, {"mean", Pool::kMean}, {"max", Pool::kMax}, {"all", Pool::kAll}};
  const auto found = pools.find(type);
  if (found == pools.end()) {
    throw Error("final_pool_type: unknown value '" + type + "'; use none, mean, max or all");
  }
  return found->second;
}

void set_img_size(Target& target, const Json& value) {
  if (value.is_array() && value.size() != 2) {
    throw Error("img_size: expected one number or a pair, got " + value.dump());
  }
  target.options.img_size =
      value.is_array() ? value.get<std::array<int64_t, 2>>()
                       : std::array<int64_t, 2>{value.get<int64_t>(), value.get<int64_t>()};
}

nn::DtInit dt_init_from(const std::string& law) {
  if (law != "random" && law != "constant") {
    throw Error("dt_init: unknown value '" + law + "'; use random or constant");
  }
  return law == "random" ? nn::DtInit::kRandom : nn::DtInit::kConstant;
}

// Vim's blocks have one residual branch; other counts would only rescale out_proj.
void check_one_residual(Target& /*target*/, const Json& value) {
  if (value != 1) {
    throw Error("n_residuals_per_layer: only 1 is supported, got " + value.dump());
  }
}

void ignore(Target& /*target*/, const Json& /*value*/) {}

const std::map<std::string, Setter>& mixer_setters() {
  using Mixer = nn::MambaMixerOptions;
  static const std::map<std::string, Setter> setters = {
      {"d_model", into(&Mixer::embed_dim)},
      {"d_state", into(&Mixer::d_state)},
      {"d_conv", into(&Mixer::d_conv)},
      {"expand", into(&Mixer::expand)},
      {"conv_bias", into(&Mixer::conv_bias)},
      {"bias", into(&Mixer::linear_bias)},
      {"if_divide_out", into(&Mixer::divide_out)},
      {"dt_min", into(&Mixer::dt_min)},
      {"dt_max", into(&Mixer::dt_max)},
      {"dt_scale", into(&Mixer::dt_scale)},
      {"dt_init_floor", into(&Mixer::dt_init_floor)},
      {"dt_init", [](Target& t, const Json& v) { t.options.mixer.dt_init = dt_init_from(v); }},
      {"dt_rank",
       [](Target& t, const Json& v) {
         t.options.mixer.dt_rank = v.is_string() ? 0 : v.get<int64_t>();
       }},
      {"bimamba_type",
       [](Target& t, const Json& v) {
         t.options.mixer.bimamba = v.is_null() ? nn::Bimamba::kNone : bimamba_from(v);
       }},
      {"init_layer_scale",
       [](Target& t, const Json& v) {
         t.options.mixer.layer_scale =
             v.is_null() ? std::nullopt : std::optional<double>(v.get<double>());
       }},
      // Choices of code path: ours is bidirectional on every one.
      {"use_fast_path", ignore},
      {"layer_idx", ignore},
  };
  return setters;
}

// Applies `setters` to the object that stands under `name`; null stands for an empty one.
void apply_nested(
    Target& target,
    const Json& object,
    const std::string& name,
    const std::map<std::string, Setter>& setters) {
  for (const auto& [key, value] : object.items()) {
    const auto found = setters.find(key);
    if (found == setters.end()) {
      throw Error(
          "official options: unknown name '" + key + "' in " + name +
          "; remove it or add it to the table");
    }
    found->second(target, value);
  }
}

void set_initializer(Target& target, const Json& value) {
  static const std::map<std::string, Setter> setters = {
      {"initializer_range", into(&VisionMambaOptions::init_range)},
      {"rescale_prenorm_residual", into(&VisionMambaOptions::rescale_prenorm_residual)},
      {"n_residuals_per_layer", check_one_residual},
  };
  apply_nested(target, value, "initializer_cfg", setters);
}

const std::map<std::string, Setter>& model_setters() {
  using Model = VisionMambaOptions;
  static const std::map<std::string, Setter> setters = {
      {"img_size", set_img_size},
      {"patch_size", into(&Model::patch_size)},
      {"stride", into(&Model::stride)},
      {"depth", into(&Model::depth)},
      {"embed_dim", into(&nn::MambaMixerOptions::embed_dim)},
      {"channels", into(&Model::channels)},
      {"num_classes", into(&Model::num_classes)},
      {"drop_rate", into(&Model::drop_rate)},
      {"drop_path_rate", into(&Model::drop_path_rate)},
      {"norm_epsilon", into(&Model::norm_epsilon)},
      {"pt_hw_seq_len", into(&Model::rope_pretrain_grid)},
      {"if_bidirectional", into(&Model::bidirectional_pairs)},
      {"if_abs_pos_embed", into(&Model::pos_embed)},
      {"if_rope", into(&Model::rope)},
      {"if_rope_residual", into(&Model::rope_residual)},
      {"flip_img_sequences_ratio", into(&Model::token_flip_prob)},
      {"if_cls_token", into(&ClsSwitches::has_token)},
      {"use_double_cls_token", into(&ClsSwitches::is_double)},
      {"use_middle_cls_token", into(&ClsSwitches::is_middle)},
      {"rms_norm",
       [](Target& t, const Json& v) {
         t.options.norm = v.get<bool>() ? Norm::kRms : Norm::kLayer;
       }},
      {"final_pool_type", [](Target& t, const Json& v) { t.options.pool = pool_from(v); }},
      {"if_bimamba", [](Target& t, const Json& v) { t.forces_v1 = v.get<bool>(); }},
      {"initializer_cfg", set_initializer},
      {"ssm_cfg", [](Target& t, const Json& v) { apply_nested(t, v, "ssm_cfg", mixer_setters()); }},
      // Storage and speed choices that our implementation makes by itself; they change no result.
      {"device", ignore},
      {"dtype", ignore},
      {"residual_in_fp32", ignore},
      {"fused_add_norm", ignore},
      {"ft_seq_len", ignore},
  };
  return setters;
}

Json parse_object(std::string_view json_text) {
  Json object = Json::parse(json_text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    throw Error("official options: not a JSON object; expected {\"name\": value, ...}");
  }
  return object;
}

void apply(Target& target, const Json& object, bool is_model) {
  for (const auto& [name, value] : object.items()) {
    const auto& mixer = mixer_setters();
    const auto& model = model_setters();
    auto found = mixer.find(name);
    const bool is_mixer_name = found != mixer.end() && !(is_model && name == "d_model");
    if (!is_mixer_name && is_model) {
      found = model.find(name);
    }
    if (!is_mixer_name && (!is_model || found == model.end())) {
      throw Error(
          "official options: unknown name '" + name + "'; remove it or add it to the table");
    }
    try {
      found->second(target, value);
    } catch (const Json::exception& error) {
      throw Error(
          "official options: '" + name + "' cannot be " + value.dump() + "; check its kind");
    }
  }
}

}  // namespace

VisionMambaOptions options_from_official(std::string_view json_text) {
  Target target;
  target.options.pool = Pool::kLast;  // the constructor's default; the presets say mean
  apply(target, parse_object(json_text), /*is_model=*/true);
  target.options.cls_position = target.cls.position();
  if (target.forces_v1) {
    target.options.mixer.bimamba = nn::Bimamba::kV1;
  }
  return target.options;
}

nn::MambaMixerOptions mixer_options_from_official(std::string_view json_text) {
  Target target;
  target.options.mixer.bimamba = nn::Bimamba::kNone;
  target.options.mixer.divide_out = false;
  apply(target, parse_object(json_text), /*is_model=*/false);
  return target.options.mixer;
}

}  // namespace vim::models
