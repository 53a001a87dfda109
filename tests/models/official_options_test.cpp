#include "src/models/official_options.h"

#include <functional>

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

std::string error_text(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string error_of(const std::string& json) {
  return error_text([&json] { options_from_official(json); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("every official constructor argument is understood") {
  const VisionMambaOptions options = options_from_official(R"({
      "img_size": [96, 64], "patch_size": 8, "stride": 4, "depth": 7, "embed_dim": 40,
      "d_state": 9, "channels": 1, "num_classes": 11,
      "ssm_cfg": {"d_conv": 3, "expand": 1, "dt_rank": 4, "dt_min": 0.002, "dt_max": 0.2,
                  "dt_init": "constant", "dt_scale": 0.5, "dt_init_floor": 1e-3,
                  "conv_bias": false, "bias": true, "use_fast_path": true},
      "drop_rate": 0.125, "drop_path_rate": 0.25, "norm_epsilon": 1e-6, "rms_norm": false,
      "initializer_cfg": {"initializer_range": 0.03, "rescale_prenorm_residual": false,
                          "n_residuals_per_layer": 1},
      "fused_add_norm": true, "residual_in_fp32": true, "device": null, "dtype": null,
      "ft_seq_len": null, "pt_hw_seq_len": 12, "if_bidirectional": true,
      "final_pool_type": "all", "if_abs_pos_embed": false, "if_rope": true,
      "if_rope_residual": true, "flip_img_sequences_ratio": 0.5, "if_bimamba": false,
      "bimamba_type": "v1", "if_cls_token": false, "if_divide_out": false,
      "init_layer_scale": 0.1, "use_double_cls_token": false, "use_middle_cls_token": true})");
  CHECK(options.img_size == std::array<int64_t, 2>{96, 64});
  CHECK(options.patch_size == 8);
  CHECK(options.stride == 4);
  CHECK(options.depth == 7);
  CHECK(options.channels == 1);
  CHECK(options.num_classes == 11);
  CHECK(options.drop_rate == 0.125);
  CHECK(options.drop_path_rate == 0.25);
  CHECK(options.norm_epsilon == 1e-6);
  CHECK(options.norm == Norm::kLayer);
  CHECK(options.init_range == 0.03);
  CHECK_FALSE(options.rescale_prenorm_residual);
  CHECK(options.rope_pretrain_grid == 12);
  CHECK(options.bidirectional_pairs);
  CHECK(options.pool == Pool::kAll);
  CHECK_FALSE(options.pos_embed);
  CHECK(options.rope);
  CHECK(options.rope_residual);
  CHECK(options.token_flip_prob == 0.5);
  CHECK(options.cls_position == ClsPosition::kNone);

  const nn::MambaMixerOptions& mixer = options.mixer;
  CHECK(mixer.embed_dim == 40);
  CHECK(mixer.d_state == 9);
  CHECK(mixer.d_conv == 3);
  CHECK(mixer.expand == 1.0);
  CHECK(mixer.dt_rank == 4);
  CHECK(mixer.dt_min == 0.002);
  CHECK(mixer.dt_max == 0.2);
  CHECK(mixer.dt_init == nn::DtInit::kConstant);
  CHECK(mixer.dt_scale == 0.5);
  CHECK(mixer.dt_init_floor == 1e-3);
  CHECK_FALSE(mixer.conv_bias);
  CHECK(mixer.linear_bias);
  CHECK(mixer.bimamba == nn::Bimamba::kV1);
  CHECK_FALSE(mixer.divide_out);
  CHECK(mixer.layer_scale == 0.1);
}

TEST_CASE("no arguments give the official defaults") {
  const VisionMambaOptions options = options_from_official("{}");
  CHECK(options.img_size == std::array<int64_t, 2>{224, 224});
  CHECK(options.depth == 24);
  CHECK(options.mixer.embed_dim == 192);
  CHECK(options.mixer.bimamba == nn::Bimamba::kV2);
  CHECK(options.mixer.divide_out);
  CHECK(options.cls_position == ClsPosition::kMiddle);
  CHECK(options.pool == Pool::kLast);
  CHECK(options.norm == Norm::kRms);
  CHECK(options.drop_path_rate == 0.1);
  const nn::MambaMixerOptions mixer = mixer_options_from_official("{}");
  CHECK(mixer.bimamba == nn::Bimamba::kNone);
  CHECK_FALSE(mixer.divide_out);
}

TEST_CASE("the class-token switches combine in the official order") {
  const auto position = [](const std::string& json) {
    return options_from_official(json).cls_position;
  };
  CHECK(position(R"({"use_middle_cls_token": false})") == ClsPosition::kHead);
  CHECK(position(R"({"use_double_cls_token": true})") == ClsPosition::kDouble);
  CHECK(position(R"({"if_cls_token": false, "use_double_cls_token": true})") == ClsPosition::kNone);
}

TEST_CASE("null and odd values mean what they mean officially") {
  const auto mixer = [](const std::string& json) { return options_from_official(json).mixer; };
  CHECK(mixer(R"({"if_bimamba": true, "bimamba_type": "v2"})").bimamba == nn::Bimamba::kV1);
  CHECK(mixer(R"({"bimamba_type": null})").bimamba == nn::Bimamba::kNone);
  CHECK(mixer(R"({"bimamba_type": "v9"})").bimamba == nn::Bimamba::kNone);
  CHECK(mixer(R"({"ssm_cfg": {"dt_rank": "auto"}})").effective_dt_rank() == 12);
  CHECK_FALSE(mixer(R"({"init_layer_scale": null, "ssm_cfg": null})").layer_scale.has_value());
}

TEST_CASE("an unknown name is refused and named, in the nested objects too") {
  CHECK(contains(error_of(R"({"if_devide_out": true})"), "unknown name 'if_devide_out'"));
  CHECK(contains(error_of(R"({"d_model": 64})"), "unknown name 'd_model'"));
  CHECK(contains(error_of(R"({"ssm_cfg": {"d_con": 3}})"), "unknown name 'd_con' in ssm_cfg"));
  CHECK(contains(
      error_of(R"({"initializer_cfg": {"range": 3}})"), "unknown name 'range' in initializer_cfg"));
  CHECK(contains(
      error_text([] { mixer_options_from_official(R"({"depth": 3})"); }), "unknown name 'depth'"));
}

TEST_CASE("a value of the wrong kind is refused with its name and text") {
  CHECK(contains(error_of(R"({"depth": "deep"})"), "'depth' cannot be \"deep\""));
  CHECK(contains(
      error_of(R"({"img_size": [1, 2, 3]})"),
      "img_size: expected one number or a pair, got [1,2,3]"));
  CHECK(contains(error_of(R"({"ssm_cfg": {"d_conv": "x"}})"), "'ssm_cfg' cannot be"));
  CHECK(contains(error_of(R"({"final_pool_type": "sum"})"), "use none, mean, max or all"));
  CHECK(contains(error_of(R"({"ssm_cfg": {"dt_init": "zero"}})"), "use random or constant"));
  CHECK(contains(
      error_of(R"({"initializer_cfg": {"n_residuals_per_layer": 2}})"), "only 1 is supported"));
}

TEST_CASE("text that is no JSON object is refused") {
  for (const char* text : {"", "[1]", "{\"depth\": }", "3"}) {
    CHECK(contains(error_of(text), "not a JSON object"));
  }
}

}  // namespace
}  // namespace vim::models
