// Vim-tiny against the official code: weights drawn from seed 0 (vim_spec, A.1), forward and
// backward pass (A.2).
#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <vector>

#include "src/models/presets.h"
#include "src/models/vision_mamba.h"
#include "tests/models/official_values.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

struct WeightCase {
  const char* name;
  std::vector<double> first;
  double sum;
  double abs_sum;
};

void check_tiny_weights(const VisionMamba& model) {
  const std::vector<WeightCase> cases = {
      {"cls_token", {-0.02291365, -0.015808629, -0.0052987505}, 0.199022, 2.977161},
      {"pos_embed", {-0.023314286, -0.0032867014, 0.020891054}, -7.978291, 602.761111},
      {"patch_embed.proj.weight",
       {-0.016934069, 0.0010799551, 0.025597356},
       -4.580597,
       4812.277755},
      {"head.weight", {-0.021962183, -0.021799164, 0.032462344}, -0.381495, 3058.958024},
      {"layers.0.mixer.in_proj.weight",
       {0.063472837, 0.011601814, -0.056978568},
       20.091518,
       5323.180580},
      {"layers.0.mixer.dt_proj.bias",
       {-6.2617226, -4.5477548, -6.1040034},
       -1741.719672,
       1741.719672},
      {"layers.0.mixer.x_proj_b.weight",
       {-0.0087706614, -0.044488672, -0.018627735},
       0.586601,
       426.740387},
      {"layers.23.mixer.dt_proj_b.weight",
       {0.27118349, -0.033072244, 0.19655038},
       -3.326175,
       662.166709},
      {"layers.23.mixer.out_proj.weight",
       {-0.0079338178, -0.0065468131, 0.0066773645},
       -1.232239,
       384.334608},
  };
  for (const WeightCase& wanted : cases) {
    CAPTURE(wanted.name);
    const at::Tensor flat = model->named_parameters()[wanted.name].detach().flatten();
    const at::Tensor values = flat.to(at::kDouble);
    // An ulp between versions of the inverse error function, in each of up to 192000 elements.
    CHECK(largest_difference(flat.narrow(0, 0, 3), wanted.first) < 1e-6);
    CHECK(std::abs(values.sum().item<double>() - wanted.sum) < 1e-5 + 1e-8 * wanted.abs_sum);
    CHECK(is_relatively_near(values.abs().sum().item<double>(), wanted.abs_sum));
  }
}

void check_tiny_gradients(const VisionMamba& model) {
  const std::map<std::string, double> norms = {
      {"cls_token", 6.031819},
      {"pos_embed", 6.032951},
      {"patch_embed.proj.weight", 2.260120},
      {"patch_embed.proj.bias", 0.1257844},
      {"head.weight", 9.755914},
      {"head.bias", 0.7058530},
      {"norm_f.weight", 0.1747989},
      {"layers.0.norm.weight", 4.519940e-2},
      {"layers.0.mixer.A_log", 4.726856e-4},
      {"layers.0.mixer.A_b_log", 2.725780e-4},
      {"layers.0.mixer.D_b", 2.629517e-2},
      {"layers.0.mixer.in_proj.weight", 1.116134},
      {"layers.0.mixer.conv1d_b.weight", 6.270648e-2},
      {"layers.0.mixer.x_proj_b.weight", 1.415326e-1},
      {"layers.0.mixer.out_proj.weight", 7.965362},
      {"layers.23.mixer.D", 2.025358e-2},
      {"layers.23.mixer.conv1d.bias", 5.029655e-2},
      {"layers.23.mixer.x_proj.weight", 1.384995e-2},
      {"layers.23.mixer.dt_proj.bias", 1.914336e-4},
      {"layers.23.mixer.dt_proj_b.weight", 1.904977e-4},
      {"layers.23.mixer.dt_proj_b.bias", 4.213900e-4},
  };
  for (const auto& [name, norm] : norms) {
    CAPTURE(name);
    CHECK(is_relatively_near(gradient_norm(model, name), norm));
  }
  CHECK(is_relatively_near(total_gradient_norm(model), 28.122443));
}

TEST_CASE("Vim-tiny from seed 0 has the official weights, logits, loss and gradients") {
  VisionMambaOptions options = preset_options("vim_tiny");
  options.drop_path_rate = 0.0;
  VisionMamba model = make_model(options);
  check_tiny_weights(model);

  const at::Tensor features = model->forward_features(sine_images({2, 3, 224, 224}, 0.001));
  const at::Tensor logits = model->classify(features);
  const std::vector<double> first_features = {-0.703562, -1.171989, 0.736847, -0.579063, -2.097508};
  const std::vector<double> first = {0.296878, -0.205681, -0.216699, 0.511105, 0.113251};
  const std::vector<double> second = {0.273932, -0.108770, -0.240561, 0.489117, 0.028630};
  CHECK(largest_difference(features[0].narrow(0, 0, 5), first_features) < kLogitTolerance);
  CHECK(largest_difference(logits[0].narrow(0, 0, 5), first) < kLogitTolerance);
  CHECK(largest_difference(logits[1].narrow(0, 0, 5), second) < kLogitTolerance);
  CHECK(is_near(logits.norm().item<double>(), 12.721183));
  CHECK(at::equal(logits.argmax(1), at::tensor({592, 592}, at::kLong)));

  const at::Tensor loss = at::cross_entropy_loss(logits, at::tensor({3, 7}, at::kLong));
  CHECK(is_near(loss.item<double>(), 6.5513234));
  loss.backward();
  check_tiny_gradients(model);
}

}  // namespace
}  // namespace vim::models
