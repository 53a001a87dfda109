#include "src/models/model_summary.h"

#include <ATen/ATen.h>

#include <limits>

#include "src/core/error.h"
#include "src/models/presets.h"
#include "src/models/vision_mamba.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

int64_t built_parameters(const VisionMambaOptions& options) {
  int64_t count = 0;
  for (const at::Tensor& parameter : VisionMamba(options)->parameters()) {
    count += parameter.numel();
  }
  return count;
}

TEST_CASE("the presets have the published numbers of parameters and tokens") {
  const std::vector<std::tuple<std::string_view, int64_t, int64_t>> published = {
      {"vim_tiny", 7148008, 197},
      {"vim_tiny_stride8", 7250344, 730},
      {"vim_small", 25796584, 197},
      {"vim_small_stride8", 26001256, 730},
      {"vim_base", 97598440, 197}};
  CHECK(preset_names().size() == published.size());
  for (const auto& [name, num_parameters, num_tokens] : published) {
    CAPTURE(name);
    const ModelSummary summary = summarize(preset_options(name), 4);
    CHECK(summary.num_parameters == num_parameters);
    CHECK(summary.num_tokens == num_tokens);
  }
  CHECK(built_parameters(preset_options("vim_tiny")) == 7148008);
}

TEST_CASE("a preset answers to its short and its official name") {
  const auto official = find_preset(
      "vim_base_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_middle_cls_token_div2");
  REQUIRE(official.has_value());
  CHECK(official->preset == "vim_base");
  CHECK(official->mixer.embed_dim == 768);
  CHECK_FALSE(find_preset("vim_huge").has_value());
  CHECK_THROWS_WITH(
      preset_options("vim_huge"),
      "preset vim_huge: there is no such preset; use one of vim_tiny, vim_small, vim_base, "
      "vim_tiny_stride8, vim_small_stride8");
}

TEST_CASE("the counted parameters are those of the built model, option by option") {
  const std::vector<std::string> changes = {
      "",
      R"("use_double_cls_token": true, "stride": 8)",
      R"("if_cls_token": false, "if_abs_pos_embed": false)",
      R"("bimamba_type": "v1", "rms_norm": false)",
      R"("bimamba_type": "none", "init_layer_scale": 0.1)",
      R"("bias": true, "conv_bias": false, "d_conv": 2)",
      R"("if_bidirectional": true, "if_rope": true, "channels": 1)",
      R"("d_state": 3, "expand": 1.5, "dt_rank": 5)",
      R"("num_classes": 0, "img_size": [64, 32])"};
  for (const std::string& change : changes) {
    CAPTURE(change);
    const VisionMambaOptions options = toy_options(change);
    CHECK(summarize(options, 4).num_parameters == built_parameters(options));
  }
}

TEST_CASE("flops and activations grow with the depth by equal amounts") {
  VisionMambaOptions options = toy_options();
  const ModelSummary four = summarize(options, 4);
  options.depth = 5;
  const ModelSummary five = summarize(options, 4);
  options.depth = 6;
  const ModelSummary six = summarize(options, 4);
  CHECK(six.forward_flops - five.forward_flops == five.forward_flops - four.forward_flops);
  CHECK(five.activation_bytes > four.activation_bytes);
  CHECK(
      six.activation_bytes - five.activation_bytes ==
      five.activation_bytes - four.activation_bytes);
}

TEST_CASE("a pass keeps the less, the more its backward computes again") {
  const VisionMambaOptions options = preset_options("vim_tiny");
  int64_t last = std::numeric_limits<int64_t>::max();
  for (const Recompute recompute :
       {Recompute::kNone, Recompute::kCheap, Recompute::kMixer, Recompute::kBlock}) {
    const int64_t kept = summarize(options, 2, recompute).activation_bytes;
    CHECK(kept < last);
    last = kept;
  }
}

TEST_CASE("the matrix products of Vim-tiny make up most of its counted flops") {
  // in_proj, x_proj, dt_proj and out_proj of both directions, 24 layers, 197 tokens, twice.
  const double products = 2.0 * 24 * 197 * (768 * 192 + 2 * 44 * 384 + 2 * 12 * 384 + 384 * 192);
  const auto counted = static_cast<double>(summarize(preset_options("vim_tiny"), 2).forward_flops);
  CHECK(counted > products);
  CHECK(counted < 1.6 * products);
}

TEST_CASE("the text of a summary states size, tokens and parameters") {
  const VisionMambaOptions options = preset_options("vim_tiny");
  const std::string text = to_text(options, summarize(options, 2));
  CHECK(text.find("7148008 (7.15 M)") != std::string::npos);
  CHECK(text.find("14 x 14 patches, 197 tokens") != std::string::npos);
}

}  // namespace
}  // namespace vim::models
