// The toy model against the official code: logits of the option matrix (vim_spec, A.3), loss and
// gradient norms (A.6).
#include <ATen/ATen.h>

#include <vector>

#include "src/models/vision_mamba.h"
#include "tests/models/official_values.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

struct ToyCase {
  const char* changes;
  size_t num_parameters;
  size_t num_entries;
  std::vector<double> logits;
};

const char* const kFlip = R"("flip_img_sequences_ratio": 2.0)";

std::vector<ToyCase> toy_cases() {
  const std::vector<double> defaults = {-0.016294, -0.180687, 0.526008, -0.541240, 0.789894};
  const std::vector<double> v1 = {-0.146130, -0.034650, 0.331863, -0.186878, 0.208617};
  return {
      {"", 80293, 75, defaults},
      {R"("fused_add_norm": false)", 80293, 75, defaults},
      {R"("use_middle_cls_token": false)",
       80293,
       75,
       {-1.085451, 0.537126, -0.243331, -0.016854, 0.598356}},
      {R"("use_double_cls_token": true)",
       80357,
       76,
       {-0.644879, 0.208105, 0.043039, -0.309573, 0.497290}},
      {R"("if_cls_token": false, "final_pool_type": "none")",
       80229,
       74,
       {0.415338, -0.534355, 0.240874, -0.020693, -0.059670}},
      {R"("if_cls_token": false, "final_pool_type": "mean")",
       80229,
       74,
       {0.005205, -0.013280, 0.039518, 0.060353, 0.014312}},
      {R"("if_cls_token": false, "final_pool_type": "max")",
       80229,
       74,
       {0.415338, 0.505261, 0.270216, 0.194944, 0.183767}},
      {R"("bimamba_type": "none")",
       65189,
       47,
       {-0.144492, 0.194308, 0.321084, -0.252118, 0.226023}},
      {R"("bimamba_type": "v1")", 69285, 51, v1},
      {R"("if_bimamba": true)", 69285, 51, v1},
      {R"("if_divide_out": false)",
       80293,
       75,
       {0.078631, -0.148652, 0.538913, -0.485859, 0.706137}},
      {R"("if_bidirectional": true, "bimamba_type": "none")",
       65189,
       47,
       {0.014910, 0.107814, 0.648344, -0.614809, 0.510171}},
      {R"("if_bidirectional": true)",
       80293,
       75,
       {0.006610, -0.395332, 0.473446, -0.584479, 0.776124}},
  };
}

std::vector<ToyCase> more_toy_cases() {
  return {
      {R"("if_rope": true, "pt_hw_seq_len": 14)",
       80293,
       77,
       {0.268831, -0.311912, 0.483256, -0.495152, 0.478405}},
      {R"("if_rope": true, "if_rope_residual": true, "if_cls_token": false,
          "final_pool_type": "mean")",
       80229,
       76,
       {-0.022099, -0.028885, 0.015796, 0.071736, 0.024781}},
      {kFlip, 80293, 75, {0.056271, -0.238194, 0.543689, -0.587010, 0.849988}},
      {R"("flip_img_sequences_ratio": 2.0, "use_middle_cls_token": false)",
       80293,
       75,
       {0.223158, -0.165270, -0.147461, 0.378828, -0.435628}},
      {R"("flip_img_sequences_ratio": 2.0, "if_rope": true, "if_rope_residual": true)",
       80293,
       77,
       {0.126525, -0.277252, 0.469174, -0.361309, 0.525207}},
      {R"("stride": 8)", 81349, 75, {-0.470147, 0.401112, 0.041998, -0.066418, 0.237154}},
      {R"("stride": 8, "flip_img_sequences_ratio": 2.0)",
       81349,
       75,
       {-0.434458, 0.254453, -0.201330, 0.157103, 0.225550}},
      {R"("rms_norm": false)", 80453, 80, {-0.335739, -0.035112, 0.164898, -0.278818, 0.580712}},
      {R"("if_abs_pos_embed": false)",
       79749,
       74,
       {-0.620428, 0.350585, 0.010128, -0.068043, 0.525092}},
      {R"("init_layer_scale": 0.1)",
       80421,
       79,
       {0.220928, -0.618278, 0.680757, -0.838942, 0.890456}},
      {R"("d_state": 8, "ssm_cfg": {"d_conv": 3, "expand": 1, "dt_rank": 4})",
       47525,
       75,
       {0.289307, -0.354569, 0.440720, -0.305679, 0.529187}},
  };
}

void check_toy(const ToyCase& toy) {
  CAPTURE(toy.changes);
  const VisionMambaOptions options = toy_options(toy.changes);
  VisionMamba model = make_toy(options);
  size_t num_parameters = 0;
  for (const at::Tensor& parameter : model->parameters()) {
    num_parameters += static_cast<size_t>(parameter.numel());
  }
  CHECK(num_parameters == toy.num_parameters);
  CHECK(model->parameters().size() + model->buffers().size() == toy.num_entries);

  const at::NoGradGuard no_grad;
  const StepDraws draws = draw_step(options, {}, 2, /*is_training=*/false);
  const at::Tensor logits = model->forward(toy_images(), draws);
  CHECK(logits.sizes() == at::IntArrayRef({2, 5}));
  CHECK(largest_difference(logits[0], toy.logits) < kLogitTolerance);
}

TEST_CASE("the toy model gives the official logits for every option of the matrix") {
  for (const ToyCase& toy : toy_cases()) {
    check_toy(toy);
  }
}

TEST_CASE("the toy model gives the official logits with rope, flips, strides, norms and sizes") {
  for (const ToyCase& toy : more_toy_cases()) {
    check_toy(toy);
  }
}

TEST_CASE("logits for all tokens average to the mean pool's") {
  const at::NoGradGuard no_grad;
  VisionMamba model = make_toy(toy_options(R"("if_cls_token": false, "final_pool_type": "all")"));
  const at::Tensor logits = model->forward(toy_images());
  CHECK(logits.sizes() == at::IntArrayRef({2, 16, 5}));
  const std::vector<double> mean = {0.005205, -0.013280, 0.039518, 0.060353, 0.014312};
  CHECK(largest_difference(logits[0].mean(0), mean) < kLogitTolerance);
}

struct GradientCase {
  const char* changes;
  bool v1_gate_defect;
  double loss;
  double total;
  double in_proj;  // of layer 1
  double A_log;    // of layer 2
  double pos_embed;
  double norm;  // of layer 3
};

const char* const kFlipRope =
    R"("flip_img_sequences_ratio": 2.0, "if_rope": true, "if_rope_residual": true)";

void check_gradients(const GradientCase& wanted) {
  CAPTURE(wanted.changes, wanted.v1_gate_defect);
  VisionMambaOptions options = toy_options(wanted.changes);
  options.drop_path_rate = 0.0;
  options.mixer.v1_gate_defect = wanted.v1_gate_defect;
  VisionMamba model = make_toy(options);
  model->train();
  const at::Tensor targets =
      at::tensor({0.9F, 0.025F, 0.025F, 0.025F, 0.025F, 0.02F, 0.02F, 0.5F, 0.02F, 0.44F})
          .view({2, 5});
  const StepDraws draws = draw_step(options, {}, 2, /*is_training=*/true);
  const at::Tensor log_probs = at::log_softmax(model->forward(toy_images(), draws), 1);
  const at::Tensor loss = -(targets * log_probs).sum(1).mean();
  loss.backward();
  CHECK(is_near(loss.item<double>(), wanted.loss));
  CHECK(is_near(total_gradient_norm(model), wanted.total));
  CHECK(is_near(gradient_norm(model, "layers.1.mixer.in_proj.weight"), wanted.in_proj));
  CHECK(is_relatively_near(gradient_norm(model, "layers.2.mixer.A_log"), wanted.A_log));
  CHECK(is_near(gradient_norm(model, "pos_embed"), wanted.pos_embed));
  CHECK(is_near(gradient_norm(model, "layers.3.norm.weight"), wanted.norm));
}

TEST_CASE("the toy model gives the official loss and gradient norms") {
  const char* const v1 = R"("bimamba_type": "v1")";
  const std::vector<GradientCase> cases = {
      {"", false, 1.531484, 6.113551, 0.607765, 1.810322e-4, 3.332183, 0.037168},
      {v1, true, 1.562169, 4.548991, 0.418793, 2.846053e-4, 1.284086, 0.036178},
      {v1, false, 1.562169, 6.175226, 0.605484, 3.032397e-4, 2.625805, 0.049800},
      {R"("bimamba_type": "none")",
       false,
       1.622253,
       7.867792,
       1.020808,
       5.108438e-4,
       4.093646,
       0.104519},
      {R"("if_bidirectional": true)",
       false,
       1.501119,
       5.710498,
       0.529023,
       1.883722e-4,
       3.483814,
       0.020631},
      {R"("if_rope": true, "if_rope_residual": true)",
       false,
       1.480793,
       4.875217,
       0.468724,
       2.419695e-4,
       2.351695,
       0.063485},
      {R"("if_divide_out": false)",
       false,
       1.504641,
       6.379778,
       0.702616,
       1.315187e-4,
       3.373565,
       0.055946},
      {R"("stride": 8)", false, 1.747629, 6.802539, 1.104925, 4.231471e-4, 3.200406, 0.114599},
      {kFlipRope, false, 1.510402, 15.539540, 2.524161, 1.582748e-4, 9.084526, 0.194350},
  };
  for (const GradientCase& wanted : cases) {
    check_gradients(wanted);
  }
}

}  // namespace
}  // namespace vim::models
